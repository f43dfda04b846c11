# SPDX-License-Identifier: Apache-2.0
"""One network and its processes, for a balancer that is compared with others (peers.py).

  cli eth0 ---- cli0 lb srv0 ---- eth0 srv

The balancer runs in lb on a CPU of its own, clients in cli and servers in srv on the other. srv has
all addresses of the backends, so that a balancer has something to choose.
"""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

from netns import Namespaces, die_with_parent, run, sweep_dead_namespaces

PARTS = "cli|lb|srv"
VIP, PORT = "203.0.113.10", 8000
READY_S = 15


def end_on_signal():
    """Makes Ctrl-C and the like an exception, once: a second one must not interrupt cleaning up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number, _frame):
        for n in numbers:
            signal.signal(n, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in numbers:
        signal.signal(number, end)


def sweep_dead_runs(prefix):
    """What a run killed with SIGKILL left: its pid is in every name and is gone."""
    sweep_dead_namespaces(prefix, PARTS)
    for path in glob.glob(os.path.join(tempfile.gettempdir(), f"sluice-{prefix}-*-*")):
        pid = os.path.basename(path).split("-")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


def wait_until(what, is_there, timeout_s=READY_S):
    deadline = time.monotonic() + timeout_s
    while not is_there():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {timeout_s} s")
        time.sleep(0.05)


def rotated(names, by):
    """Who goes first changes from round to round."""
    by %= len(names)
    return names[by:] + names[:by]


class Lab:
    """Made anew for every turn of a contestant; prefix names its namespaces and directory."""

    def __init__(self, prefix, balancer_cpu, other_cpu, n_backends):
        self.dir = tempfile.mkdtemp(prefix=f"sluice-{prefix}-{os.getpid()}-")
        self.net = Namespaces(prefix)
        self.balancer_cpu, self.other_cpu = balancer_cpu, other_cpu
        self.backends = [f"10.20.0.{11 + n}" for n in range(n_backends)]
        self.procs = {}
        self.target = VIP

    def build(self):
        for part in ("cli", "lb", "srv"):
            self.net.add(part)
        self.net.link(("cli", "eth0"), ("lb", "cli0"))
        self.net.link(("lb", "srv0"), ("srv", "eth0"))
        self.net.ip("cli", "addr", "add", "10.10.0.2/24", "dev", "eth0")
        for address in self.backends:
            self.net.ip("srv", "addr", "add", f"{address}/24", "dev", "eth0")
        self.net.ip("cli", "route", "add", f"{VIP}/32", "via", "10.10.0.1")
        self.net.ip("srv", "route", "add", "default", "via", "10.20.0.1")

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
        return f"{self.dir}/{name}"

    def start(self, name, part, cpus, *command, env=None):
        with open(f"{self.dir}/{name}.log", "ab") as log:
            # A process group, for Ctrl-C is ours alone, but no session: the scheduler shares CPU time among
            # sessions (autogroup), and this run is to be one, which a busy machine can be told to prefer.
            self.procs[name] = subprocess.Popen(
                self.net.inside(part, "taskset", "-c", cpus, *command), stdin=subprocess.PIPE, stdout=log,
                stderr=log, preexec_fn=die_with_parent, process_group=0, env={**os.environ, **(env or {})})

    def log(self, name):
        with open(f"{self.dir}/{name}.log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def tail(self, name):
        return " | ".join(self.log(name).splitlines()[-4:])

    def check_alive(self):
        for name, proc in self.procs.items():
            if proc.poll() is not None:
                raise RuntimeError(f"{name} ended with status {proc.returncode}: {self.tail(name)}")

    def wait_end(self, name, timeout_s):
        """Until a process that ends by itself has done so, well."""
        proc = self.procs.pop(name)
        try:
            if proc.wait(timeout=timeout_s) != 0:
                raise RuntimeError(f"{name} ended with status {proc.returncode}: {self.tail(name)}")
        except BaseException:
            self.procs[name] = proc  # stop() ends it
            raise

    def _answers(self, path, text):
        self.check_alive()
        done = subprocess.run(
            self.net.inside("cli", "curl", "-s", "--max-time", "1", f"http://{self.target}:{PORT}{path}"),
            capture_output=True, text=True, check=False)
        return done.returncode == 0 and text in done.stdout

    def wait_ready(self, path, text):
        """Until every backend has had its turn of answering through the balancer."""
        for _ in range(2 * len(self.backends)):
            wait_until("an answer through the balancer", lambda: self._answers(path, text))

    def inside_lb(self, *command):
        return run(*self.net.inside("lb", *command))

    def stop(self):
        for proc in reversed(self.procs.values()):
            if proc.poll() is None:
                proc.terminate()
        for proc in self.procs.values():
            try:
                proc.wait(timeout=5)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        self.net.delete()
        shutil.rmtree(self.dir, ignore_errors=True)
