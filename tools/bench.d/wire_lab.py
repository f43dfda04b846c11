# SPDX-License-Identifier: Apache-2.0
"""The wire of tools/bench --wire: a client, the balancer and a server, joined by veth.

  cli eth0 ---- cli0 lb srv0 ---- eth0 srv

wrk runs in cli, one nginx in srv; it has N_BACKENDS addresses, so that a balancer has something to
choose while the work behind it stays the same. The contestant runs in lb on a CPU of its own,
everything else on the other.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib.d"))
from netns import Namespaces, die_with_parent, run, sweep_dead_namespaces  # noqa: E402
from wire_report import parse_wrk  # noqa: E402

PREFIX, PARTS = "slb", "cli|lb|srv"
VIP, PORT = "203.0.113.10", 8000
N_BACKENDS = 4
BACKENDS = [f"10.20.0.{11 + n}" for n in range(N_BACKENDS)]
CONNECTIONS = 64
READY_S = 15
NGINX = """\
daemon off; master_process off; pid {dir}/{name}.pid;
events {{ worker_connections 8192; }}
"""
BACKEND = """\
http {{
	access_log off; keepalive_requests 100000000;
	client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
	server {{ listen {port} backlog=4096; location / {{ return 200 "hello\\n"; }} }}
}}
"""


def sweep_dead_runs():
    sweep_dead_namespaces(PREFIX, PARTS)
    for path in glob.glob(os.path.join(tempfile.gettempdir(), "sluice-wire-*-*")):
        pid = os.path.basename(path).split("-")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


def wait_until(what, is_there, timeout_s=READY_S):
    deadline = time.monotonic() + timeout_s
    while not is_there():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {timeout_s} s")
        time.sleep(0.05)


class Lab:
    """One network and its processes, made anew for every turn of a contestant."""

    def __init__(self, balancer_cpu, other_cpu):
        self.dir = tempfile.mkdtemp(prefix=f"sluice-wire-{os.getpid()}-")
        self.net = Namespaces(PREFIX)
        self.balancer_cpu, self.other_cpu = balancer_cpu, other_cpu
        self.procs = {}
        self.target = VIP

    def build(self):
        for part in ("cli", "lb", "srv"):
            self.net.add(part)
        self.net.link(("cli", "eth0"), ("lb", "cli0"))
        self.net.link(("lb", "srv0"), ("srv", "eth0"))
        self.net.ip("cli", "addr", "add", "10.10.0.2/24", "dev", "eth0")
        for address in BACKENDS:
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

    def check_alive(self):
        for name, proc in self.procs.items():
            if proc.poll() is not None:
                tail = " | ".join(self.log(name).splitlines()[-4:])
                raise RuntimeError(f"{name} ended with status {proc.returncode}: {tail}")

    def start_backend(self):
        path = self.write("backend.conf", (NGINX + BACKEND).format(dir=self.dir, name="backend", port=PORT))
        self.start("backend", "srv", self.other_cpu, "nginx", "-p", self.dir, "-c", path, "-e", "stderr")

    def _answers(self):
        self.check_alive()
        done = subprocess.run(
            self.net.inside("cli", "curl", "-s", "--max-time", "1", f"http://{self.target}:{PORT}/"),
            capture_output=True, text=True, check=False)
        return done.stdout == "hello\n"

    def wait_ready(self):
        """Until every backend has had its turn of answering through the balancer."""
        for _ in range(2 * N_BACKENDS):
            wait_until("an answer through the balancer", self._answers)

    def wrk(self, load, seconds):
        options = ["-H", "Connection: close"] if load == "close" else []
        done = subprocess.run(
            self.net.inside("cli", "taskset", "-c", self.other_cpu, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
                            "--latency", *options, f"http://{self.target}:{PORT}/"),
            capture_output=True, text=True, preexec_fn=die_with_parent, timeout=seconds + 20, check=False)
        self.check_alive()
        if done.returncode != 0:
            raise RuntimeError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
        return parse_wrk(done.stdout)

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
