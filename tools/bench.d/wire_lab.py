# SPDX-License-Identifier: Apache-2.0
"""The wire of tools/bench --wire: wrk in cli, one nginx in srv for all addresses, so that the work
behind a balancer stays the same whomever it picks."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib.d"))
from lab import PORT, Lab  # noqa: E402
from netns import die_with_parent  # noqa: E402
from peers import NGINX  # noqa: E402
from wire_report import parse_wrk  # noqa: E402

PREFIX = "slb"
N_BACKENDS = 4
CONNECTIONS = 64
BACKEND = """\
http {{
	access_log off; keepalive_requests 100000000;
	client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
	server {{ listen {port} backlog=4096; location / {{ return 200 "hello\\n"; }} }}
}}
"""


class WireLab(Lab):
    def __init__(self, balancer_cpu, other_cpu):
        super().__init__(PREFIX, balancer_cpu, other_cpu, N_BACKENDS)

    def start_backend(self):
        path = self.write("backend.conf", (NGINX + BACKEND).format(dir=self.dir, name="backend", port=PORT))
        self.start("backend", "srv", self.other_cpu, "nginx", "-p", self.dir, "-c", path, "-e", "stderr")

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
