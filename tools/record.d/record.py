# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario (scenarios.py) between two namespaces and captures what passes on the wire."""
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib.d"))
import netns  # noqa: E402

PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's torch
WEB = os.path.join(HERE, "web.py")
CLIENT, SERVER = "10.77.0.1", "10.77.0.2"
SNAP_BYTES = 192  # headers and what a peek at the first payload reads

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; client_max_body_size 0; keepalive_requests 100000;
  server {{
    listen {listen};
    {tls}
    root {dir}/www;
    location /v1/ {{ proxy_pass http://127.0.0.1:7999; proxy_buffering off; proxy_http_version 1.1; }}
    location /put/ {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


class Scene:
    def __init__(self, name, program, port, mbit, settings, seconds, build):
        self.name, self.program, self.port, self.mbit = name, program, port, mbit
        self.settings, self.seconds, self.build = settings, seconds, build
        self.net = netns.Namespaces("slrec")
        self.net.prefix += "x" + str(abs(hash(name)) % 1000)
        self.dir = f"/tmp/{self.net.prefix}"
        self.running = []

    def get(self, key, default):
        return self.settings.get(key, default)

    def start(self, part, *command, **kw):
        kw.setdefault("stdout", subprocess.DEVNULL)
        kw.setdefault("stdin", subprocess.DEVNULL)
        self.running.append(subprocess.Popen(
            self.net.inside(part, *[str(c) for c in command]), stderr=self.log,
            preexec_fn=netns.die_with_parent, **kw))
        return self.running[-1]

    def words(self, *keys):
        return [f"{k}={self.settings[k]}" for k in keys if k in self.settings]

    # --- servers ---

    def nginx(self, listen, tls=""):
        www = os.path.join(self.dir, "www")
        os.makedirs(www)
        for file, size in (("small", 300), ("page", self.get("page", 14000)), ("image", self.get("image", 180000)),
                           ("shard", 30000000), ("blob", int(self.get("mb", 1)) * 1000000)):
            with open(os.path.join(www, file), "wb") as f:
                f.write(os.urandom(size))
        os.chmod(self.dir, 0o755)
        os.makedirs(os.path.join(www, "put"))
        os.chmod(os.path.join(www, "put"), 0o777)
        if tls:
            netns.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                      "/CN=ai.test", "-keyout", f"{self.dir}/key.pem", "-out", f"{self.dir}/cert.pem")
            tls = f"ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;"
        with open(f"{self.dir}/nginx.conf", "w") as f:
            f.write("user root;" + NGINX.format(dir=self.dir, listen=listen, tls=tls))
        self.start("s", "nginx", "-c", f"{self.dir}/nginx.conf", "-p", self.dir)

    def engine(self, listen):
        self.start("s", f"{self.build}/tools/sim/sluice-sim", "server", "--listen", listen, "--name", "g",
                   "--time-scale", self.get("scale", 1.0), "--slow", self.get("slow", 1.0), "--seed", 7)

    def web_server(self, kind):
        self.start("s", PYTHON, WEB, "serve", SERVER, self.port, kind,
                   *self.words("ttft", "gap", "size", "events", "delay"))

    def web_client(self, kind, *more):
        return self.start("c", PYTHON, WEB, "ask", SERVER, self.port, kind, self.seconds,
                          *self.words("clients", "keep", "prompt", "output", "think", "request"), *more)

    def wait_listen(self, port):
        for _ in range(100):
            if str(port) in subprocess.run(self.net.inside("s", "ss", "-Hltn", f"sport = :{port}"),
                                           capture_output=True, text=True).stdout:
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name}: nobody listens on {port}")

    def shell(self, script):
        return self.start("c", "bash", "-c", script)

    def repeat(self, command, clients):
        """clients times: command again and again until the time is over."""
        think = self.get("think", 0.05)
        return self.shell(f"end=$((SECONDS + {self.seconds}))\nfor i in $(seq {clients}); do\n"
                          f"(while [ $SECONDS -lt $end ]; do {command}; sleep {think}; done) &\ndone; wait")

    # --- programs ---

    def run_sim(self):
        self.engine(f"{SERVER}:{self.port}")
        self.wait_listen(self.port)
        return self.start("c", f"{self.build}/tools/sim/sluice-sim", "load", "--target", f"{SERVER}:{self.port}",
                          "--rate", self.get("rate", 8), "--duration", self.seconds, "--prompt",
                          self.get("prompt", 400), "--output", self.get("output", 60), "--connections",
                          "keep-alive" if self.get("keep", 0) else "per-request")

    def run_sim_ask(self):
        self.engine(f"{SERVER}:{self.port}")
        self.wait_listen(self.port)
        return self.web_client(self.settings["kind"])

    def run_sim_tls(self):
        self.engine("127.0.0.1:7999")
        self.nginx(f"{self.port} ssl", "tls")
        self.wait_listen(self.port)
        return self.web_client(self.settings["kind"])

    def h2(self, listen, tls, curl):
        self.engine("127.0.0.1:7999")
        self.nginx(listen, tls)
        self.wait_listen(self.port)
        body = json.dumps({"model": "m", "stream": True, "max_tokens": self.get("output", 60),
                           "messages": [{"role": "user", "content": "word " * 300}]})
        return self.repeat(f"curl -skN {curl}:{self.port}/v1/chat/completions -d '{body}' -o /dev/null",
                           self.get("clients", 4))

    def run_sim_h2(self):
        return self.h2(f"{self.port} ssl http2", "tls", f"--http2 https://{SERVER}")

    def run_sim_h2c(self):
        return self.h2(f"{self.port} http2", "", f"--http2-prior-knowledge http://{SERVER}")

    def run_web(self, kind):
        self.web_server(kind)
        self.wait_listen(self.port)
        return self.web_client("chat" if kind == "tokens" else kind)

    def run_mpi(self):
        subprocess.run(["mpicc", "-O1", "-o", f"{self.dir}/allreduce", f"{HERE}/allreduce.c"], check=True)
        with open(f"{self.dir}/agent", "w") as f:
            f.write(f"#!/bin/sh\nshift\nexec ip netns exec {self.net.name('s')} sh -c \"$*\"\n")
        os.chmod(f"{self.dir}/agent", 0o755)
        ranks = self.get("ranks", 2)
        return self.start(
            "c", "mpirun", "--allow-run-as-root", "--mca", "plm_rsh_agent", f"{self.dir}/agent", "--mca", "btl",
            "tcp,self", "--mca", "btl_tcp_if_include", "10.77.0.0/24", "--mca", "oob_tcp_if_include",
            "10.77.0.0/24", "--mca", "btl_tcp_port_min_v4", 20000, "--mca", "mpi_yield_when_idle", 1,
            "--host", f"{CLIENT}:{ranks // 2},{SERVER}:{ranks // 2}", "--map-by", "node", "-np", ranks, f"{self.dir}/allreduce",
            self.settings["operation"], self.settings["bytes"], self.settings["step"], self.settings["buckets"],
            self.seconds)

    def run_ddp(self):
        world, last = self.get("world", 2), None
        for rank in range(world):
            part = "s" if rank % 2 == 0 else "c"
            # Debian's gloo binds to what the host's name resolves to.
            name = SERVER if part == "s" else CLIENT
            last = self.start(part, "unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh", PYTHON,
                              f"{HERE}/ddp.py", rank, world, SERVER, self.port, self.settings["width"],
                              self.settings["batch"], self.seconds)
        return last

    def run_iperf3(self):
        self.start("s", "iperf3", "-s", "-1", "-p", self.port)
        self.wait_listen(self.port)
        return self.start("c", "iperf3", "-c", SERVER, "-p", self.port, "-t", self.seconds, "-P",
                          self.get("parallel", 1), *(["-R"] if self.get("reverse", 0) else []))

    def put(self, listen, tls, scheme):
        self.nginx(listen, tls)
        self.wait_listen(self.port)
        return self.repeat(f"curl -skT {self.dir}/www/blob {scheme}://{SERVER}:{self.port}/put/f$i",
                           self.get("clients", 2))

    def run_put(self):
        return self.put(self.port, "", "http")

    def run_put_tls(self):
        return self.put(f"{self.port} ssl", "tls", "https")

    def run_get(self):
        self.nginx(self.port)
        self.wait_listen(self.port)
        return self.repeat(f"curl -s http://{SERVER}:{self.port}/blob -o /dev/null", self.get("clients", 2))

    def run_loader(self):
        self.nginx(self.port)
        self.wait_listen(self.port)
        return self.web_client("loader", f"size={self.settings['size']}", "keep=1000")

    def run_wrk(self, listen="", tls="", scheme="http"):
        self.nginx(listen or self.port, tls)
        self.wait_listen(self.port)
        return self.start("c", "wrk", "-t", 1, "-c", self.get("clients", 4), "-d", f"{min(3, self.seconds)}s",
                          f"{scheme}://{SERVER}:{self.port}{self.settings['path']}")

    def run_wrk_tls(self):
        return self.run_wrk(f"{self.port} ssl", "tls", "https")

    def run_browse_tls(self):
        return self.run_browse(f"{self.port} ssl http2", "tls", "https")

    def run_browse(self, listen="", tls="", scheme="http"):
        self.nginx(listen or self.port, tls)
        self.wait_listen(self.port)
        url = f"{scheme}://{SERVER}:{self.port}"
        return self.repeat(f"curl -sk {url}/page {url}/small {url}/image {url}/small {url}/page {url}/image "
                           "-o /dev/null -o /dev/null -o /dev/null -o /dev/null -o /dev/null -o /dev/null",
                           self.get("clients", 4))

    def run_redis(self):
        self.start("s", "redis-server", "--port", self.port, "--bind", SERVER, "--save", "", "--dir", self.dir,
                   "--protected-mode", "no")
        self.wait_listen(self.port)
        return self.start("c", "timeout", min(3, self.seconds), "redis-benchmark", "-h", SERVER, "-p", self.port, "-d",
                          self.settings["size"], "-c", self.settings["clients"], "-P", self.settings["pipeline"],
                          "-n", 10000000, "-t", "get,set", "-q")

    def sshd(self):
        netns.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.dir}/key")
        shutil.copy(f"{self.dir}/key.pub", f"{self.dir}/authorized")
        os.chmod(self.dir, 0o755)
        os.makedirs("/run/sshd", exist_ok=True)
        self.start("s", "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", self.port, "-h", f"{self.dir}/key",
                   "-o", f"AuthorizedKeysFile={self.dir}/authorized", "-o", "StrictModes=no", "-o",
                   "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", "PidFile=none", "-o", "Subsystem=sftp internal-sftp")
        self.wait_listen(self.port)
        return (f"-F /dev/null -i {self.dir}/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
                "-o BatchMode=yes")

    def run_ssh_run(self):
        return self.repeat(f"ssh {self.sshd()} -p {self.port} root@{SERVER} 'ls -lR /etc | head -400; sleep 0.5; ps aux' "
                           ">/dev/null", self.get("clients", 2))

    def run_ssh_type(self):
        options = self.sshd()
        return self.shell(f"for i in $(seq {self.get('clients', 2)}); do ({PYTHON} {WEB} think {self.seconds} seed=$i | "
                          f"ssh -tt {options} -p {self.port} root@{SERVER} >/dev/null) & done; wait")

    def run_scp(self):
        options = self.sshd()
        with open(f"{self.dir}/blob", "wb") as f:
            f.write(os.urandom(int(self.settings["mb"]) * 1000000))
        return self.repeat(f"scp {options} -P {self.port} {self.dir}/blob root@{SERVER}:{self.dir}/got$i",
                           self.get("clients", 2))

    def run_echo(self):
        sim = f"{self.build}/tools/sim/sluice-sim"
        self.start("s", sim, "echo", "--listen", f"{SERVER}:{self.port}", "--protocol", "tcp", "--name", "e")
        self.wait_listen(self.port)
        return self.start("c", sim, "conns", "--target", f"{SERVER}:{self.port}", "--count", self.settings["count"],
                          "--payload", 3000, "--hold", self.seconds)

    # --- the run ---

    def record(self, path):
        if os.path.exists(self.dir):
            shutil.rmtree(self.dir)
        os.makedirs(self.dir)
        self.log = open(path + ".log", "w")
        try:
            self.net.add("c")
            self.net.add("s")
            self.net.link(("c", "v"), ("s", "v"))
            for part, address in (("c", CLIENT), ("s", SERVER)):
                self.net.ip(part, "addr", "add", f"{address}/24", "dev", "v")
                # Frames as they are on a wire: what a segment is must not depend on this kernel's offloads.
                netns.run(*self.net.inside(part, "ethtool", "-K", "v", "tso", "off", "gso", "off", "gro", "off"))
                netns.run(*self.net.inside(part, "tc", "qdisc", "replace", "dev", "v", "root", "tbf", "rate",
                                           f"{self.mbit}mbit", "burst", "64k", "latency", "40ms"))
            tap = self.start("s", "tcpdump", "-i", "v", "-s", SNAP_BYTES, "-B", 32768, "--time-stamp-precision=nano", "-Z",
                             "root", "-w", path, "ip")
            time.sleep(0.5)
            method = getattr(self, "run_" + self.program.replace("-", "_"), None)
            load = method() if method else self.run_web(self.program)
            try:
                load.wait(timeout=self.seconds * 3 + 20)
            except subprocess.TimeoutExpired:
                print(f"record: {self.name}: the load did not end by itself", file=sys.stderr)
            tap.terminate()
            tap.wait(timeout=10)
        finally:
            for p in self.running:
                p.kill()
                p.wait()
            self.net.delete()
            self.log.close()
            shutil.rmtree(self.dir, ignore_errors=True)
