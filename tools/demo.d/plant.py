# SPDX-License-Identifier: Apache-2.0
"""The demo's processes: data plane, control, GPU servers and clients, and the files they need."""
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from net import PARTS, PORT, PREFIX, SERVERS, VIP4, VIP6, Network, server_addresses
from netns import die_with_parent, sweep_dead_namespaces

BUILD = os.path.abspath(os.environ.get("SL_BUILD", "build"))
DATAPLANE = f"{BUILD}/dataplane/io/sluice-dataplane"
CONTROL = f"{BUILD}/control/sluice-control"
CLI = f"{BUILD}/tools/cli/sluice"
SIM = f"{BUILD}/tools/sim/sluice-sim"
POOLS = {"chat": 4, "chat6": 6}
READY_S = 15
RESPAWN_S = 0.5

POOLS_YAML = """\
version: 1
defaults:
  probe: {{interval: 500ms, timeout: 400ms, rise: 2, fall: 3, jitter: 10%}}
  slow-start: 5s
vips:
  - {{name: chat, address: "{vip4}", ports: [{port}], protocol: tcp, pool: chat}}
  - {{name: chat6, address: "{vip6}", ports: [{port}], protocol: tcp, pool: chat6}}
pools:
"""
POOL_YAML = """\
  {name}:
    forward: {{mode: nat}}
    balance: weighted
    adaptive: {{mode: enforce, probe: ttft}}
    probes:
      health: {{type: http, path: /health}}
      ttft:
        type: http
        path: /v1/completions
        body: '{{"model":"sim","prompt":"hi","max_tokens":1}}'
        interval: 500ms
        timeout: 500ms
        fall: 20      # a busy server is not a dead one: health decides that
    backends:
"""
DATAPLANE_YAML = """\
workers: 1
flows: 65536
idle: sleep
socket: {dir}/dataplane.sock
memory: {{hugepages: auto}}
ports:
  - {{name: client, device: "{device}:cli0", {mode}addresses: [10.10.0.1/24, "fd10::1/64"]}}
  - {{name: server, device: "{device}:srv0", {mode}addresses: [10.20.0.1/24, "fd20::1/64"]}}
"""


def sweep_dead_runs():
    """What a demo killed with SIGKILL left: its pid is in every name and is gone."""
    sweep_dead_namespaces(PREFIX, PARTS)
    for path in glob.glob(os.path.join(tempfile.gettempdir(), "sluice-demo-*-*")):
        pid = os.path.basename(path).split("-")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("sluice", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Plant:
    """Owns every process of the demo and the directory with their files."""

    def __init__(self):
        sweep_dead_runs()
        self.dir = tempfile.mkdtemp(prefix=f"sluice-demo-{os.getpid()}-")
        self.net = Network()
        self.procs = {}
        self.device = None
        self.fallback_reason = None
        self.is_stopping = False
        self.control_starts = 0
        self.slowed = set()
        self.dead = set()
        self.lock = threading.Lock()

    # --- processes ---

    def start(self, name, part, *command, env=None):
        with open(f"{self.dir}/{name}.log", "ab") as log:
            proc = subprocess.Popen(
                self.net.inside(part, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent, start_new_session=True, env={**os.environ, **(env or {})})
        self.procs[name] = proc
        return proc

    def log_tail(self, name, lines=5):
        with open(f"{self.dir}/{name}.log", encoding="utf-8", errors="replace") as f:
            return "\n".join(f.read().splitlines()[-lines:])

    def wait_until(self, what, is_there, proc_name, timeout_s=READY_S):
        deadline = time.monotonic() + timeout_s
        while not is_there():
            if self.procs[proc_name].poll() is not None:
                raise RuntimeError(f"{what}: {proc_name} ended\n{self.log_tail(proc_name, 12)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {timeout_s} s\n{self.log_tail(proc_name, 12)}")
            time.sleep(0.05)

    # --- data plane ---

    def start_dataplane(self, devices):
        for device in devices:
            mode = "mode: shared, " if device == "af_xdp" else ""
            with open(f"{self.dir}/dataplane.yaml", "w", encoding="utf-8") as f:
                f.write(DATAPLANE_YAML.format(dir=self.dir, device=device, mode=mode))
            self.start("dataplane", "lb", DATAPLANE, "--config", f"{self.dir}/dataplane.yaml",
                       env={"SLUICE_BIN": CLI})
            try:
                self.wait_until("data plane",
                                lambda: "sluice-dataplane: ready" in self.log_tail("dataplane", 50),
                                "dataplane")
                self.device = device
                return
            except RuntimeError as error:
                self.end(self.procs.pop("dataplane"))
                if device == devices[-1]:
                    raise
                os.rename(f"{self.dir}/dataplane.log", f"{self.dir}/dataplane-{device}.log")
                self.fallback_reason = f"{device} does not work here: {str(error).splitlines()[-1]}"

    # --- control: started again whenever it ends, as systemd would ---

    def start_control(self):
        with open(f"{self.dir}/pools.yaml", "w", encoding="utf-8") as f:
            f.write(POOLS_YAML.format(vip4=VIP4, vip6=VIP6, port=PORT))
            for pool, family in POOLS.items():
                f.write(POOL_YAML.format(name=pool))
                for server in SERVERS:
                    v4, v6 = server_addresses(server)
                    address = f"{v4}:{PORT}" if family == 4 else f"[{v6}]:{PORT}"
                    f.write(f'      - {{name: {server}, address: "{address}", weight: 100}}\n')
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        threading.Thread(target=self._respawn_control, daemon=True).start()

    def _respawn_control(self):
        # PR_SET_PDEATHSIG looks at the thread that forked, so this thread stays for as long as
        # control may run.
        while not self.is_stopping:
            with self.lock:
                if self.is_stopping:
                    return
                proc = self.start(
                    "control", "lb", CONTROL, "--config", f"{self.dir}/pools.yaml",
                    "--state-dir", f"{self.dir}/state", "--dataplane-socket", f"{self.dir}/dataplane.sock",
                    "--socket", f"{self.dir}/control.sock", "--metrics", "127.0.0.1:9180")
                self.control_starts += 1
            proc.wait()
            time.sleep(RESPAWN_S)

    def crash_control(self):
        os.kill(self.procs["control"].pid, signal.SIGKILL)

    def api(self, path, timeout=1.0):
        """Parsed answer of the local API; None while control does not answer."""
        connection = UnixConnection(f"{self.dir}/control.sock", timeout)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def has_all_up(self):
        status = self.api("/api/v1/status")
        backends = (status or {}).get("backends", {})
        return backends.get("up", 0) == backends.get("total", -1) and status["dataplane"]["connected"]

    # --- servers and clients ---

    def start_server(self, name):
        v4, v6 = server_addresses(name)
        self.start(name, name, SIM, "server", "--listen", f"{v4}:{PORT}", "--listen", f"[{v6}]:{PORT}",
                   "--name", name, "--seed", name[1:])
        self.dead.discard(name)
        self.slowed.discard(name)

    def set_slow(self, name, factor):
        done = subprocess.run(
            self.net.inside(name, SIM, "knob", f"{server_addresses(name)[0]}:{PORT}", f"slow={factor}"),
            capture_output=True, text=True, timeout=5)
        if done.returncode != 0:
            raise RuntimeError(f"knob of {name}: {done.stderr.strip()}")
        (self.slowed.discard if factor == 1 else self.slowed.add)(name)

    def kill_server(self, name):
        self.procs[name].kill()
        self.procs[name].wait()
        self.dead.add(name)

    def start_load(self, pool, rate, duration_s):
        target = f"{VIP4}:{PORT}" if POOLS[pool] == 4 else f"[{VIP6}]:{PORT}"
        return self.start(
            f"load-{pool}", "cli", SIM, "load", "--target", target, "--rate", str(rate),
            "--duration", str(duration_s), "--connections", "per-request", "--prompt", "150",
            "--output", "20", "--seed", str(POOLS[pool]), "--live", f"{self.dir}/{pool}.live",
            "--json", f"{self.dir}/{pool}.json")

    def live(self, pool):
        """The load generator's lines so far, one a second."""
        lines = []
        try:
            with open(f"{self.dir}/{pool}.live", encoding="utf-8") as f:
                for line in f:
                    if line.endswith("\n"):
                        lines.append(json.loads(line))
        except FileNotFoundError:
            pass
        return lines

    def load_totals(self, pool):
        with open(f"{self.dir}/{pool}.json", encoding="utf-8") as f:
            return json.load(f)

    # --- the end ---

    @staticmethod
    def end(proc):
        if proc.poll() is None:
            proc.terminate()
            try:
                proc.wait(timeout=3)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()

    def stop(self):
        with self.lock:
            self.is_stopping = True
        for proc in self.procs.values():
            self.end(proc)
        self.net.delete()
        shutil.rmtree(self.dir, ignore_errors=True)
