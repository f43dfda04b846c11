# SPDX-License-Identifier: Apache-2.0
"""Runs every row, compares what clients measured with what the appliance saw, prints the table."""
import argparse
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "demo.d"))
import net  # noqa: E402
import plant  # noqa: E402

PROTOCOLS = ("http1", "https1", "h2c", "https2", "grpc")
SERVER_PORTS = {"http1": 8000, "https1": 8443, "h2c": 8080, "https2": 8444, "grpc": 8051}
FIRST_VIP_PORT = 9000
SERVER = "g1"
RATE = 4
TIME_SCALE = 3  # tokens 30 ms apart: a server that is late by a token writes two at once, which is one
WITHIN_SHARE, WITHIN_MS = 0.05, 2.0
WAIT_S = 60

NGINX = """\
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  client_max_body_size 4m; client_body_buffer_size 1m;
  keepalive_timeout 120s; keepalive_requests 100000;
  upstream sim {{ server 127.0.0.1:8000; keepalive 64; }}
  ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  server {{ listen 8443 ssl; listen [::]:8443 ssl; location / {{ proxy_pass http://sim; }} }}
  server {{ listen 8080 http2; listen [::]:8080 http2; location / {{ proxy_pass http://sim; }} }}
  server {{ listen 8444 ssl http2; listen [::]:8444 ssl http2; location / {{ proxy_pass http://sim; }} }}
}}
"""


class Row:
    def __init__(self, number, protocol, connections, family):
        self.protocol, self.connections, self.family = protocol, connections, family
        self.name = f"{protocol}-{connections}-v{family}"
        self.port = FIRST_VIP_PORT + number
        self.figures = None

    def vip(self):
        return f"{net.VIP4}:{self.port}" if self.family == 4 else f"[{net.VIP6}]:{self.port}"


def rows_of(protocols):
    # libcurl 7.88 fails each second request on a kept h2c connection; gRPC is the row for those.
    shapes = [(p, c, f) for p in protocols for c in ("close", "keep") for f in (4, 6)
              if (p, c) != ("h2c", "keep")]
    return [Row(i, *shape) for i, shape in enumerate(shapes)]


class Lab(plant.Plant):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def start_servers(self):
        v4, v6 = net.server_addresses(SERVER)
        port = SERVER_PORTS["http1"]
        self.start(SERVER, SERVER, plant.SIM, "server", "--listen", f"{v4}:{port}", "--listen",
                   f"[{v6}]:{port}", "--listen", f"127.0.0.1:{port}", "--name", SERVER, "--seed", "1",
                   "--time-scale", str(TIME_SCALE))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=groundtruth", "-keyout",
                        f"{self.dir}/key.pem", "-out", f"{self.dir}/cert.pem"],
                       check=True, capture_output=True)
        with open(f"{self.dir}/nginx.conf", "w", encoding="utf-8") as f:
            f.write(NGINX.format(dir=self.dir))
        self.start("nginx", SERVER, "/usr/sbin/nginx", "-c", f"{self.dir}/nginx.conf", "-e", "stderr")
        if any(row.protocol == "grpc" for row in self.rows):
            self.start("grpc", SERVER, "/usr/bin/python3", "tools/groundtruth.d/grpc_peer.py", "server",
                       f"{v4}:{SERVER_PORTS['grpc']}", f"[{v6}]:{SERVER_PORTS['grpc']}")
            self.wait_until("gRPC server", lambda: "ready" in self.log_tail("grpc"), "grpc")

    def write_pools(self):
        v4, v6 = net.server_addresses(SERVER)
        vips, pools = "", ""
        for row in self.rows:
            address = net.VIP4 if row.family == 4 else net.VIP6
            host = v4 if row.family == 4 else f"[{v6}]"
            vips += f'  - {{name: {row.name}, address: "{address}", ports: [{row.port}], pool: {row.name}}}\n'
            pools += (f"  {row.name}:\n    forward: {{mode: nat}}\n    balance: adaptive\n"
                      f"    probes: {{tcp: {{type: tcp}}}}\n    backends:\n"
                      f'      - {{name: {SERVER}, address: "{host}:{SERVER_PORTS[row.protocol]}"}}\n')
        with open(f"{self.dir}/pools.yaml", "w", encoding="utf-8") as f:
            f.write(f"version: 1\nvips:\n{vips}pools:\n{pools}")

    def start_control(self):
        self.write_pools()
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        self.start("control", "lb", plant.CONTROL, "--config", f"{self.dir}/pools.yaml", "--state-dir",
                   f"{self.dir}/state", "--dataplane-socket", f"{self.dir}/dataplane.sock",
                   "--socket", f"{self.dir}/control.sock")
        self.wait_until("backends", self.has_all_up, "control")

    def load(self, row, seconds):
        path = f"{self.dir}/{row.name}.json"
        if row.protocol == "grpc":
            return self.start(f"load-{row.name}", "cli", "/usr/bin/python3", "tools/groundtruth.d/grpc_peer.py",
                              "load", row.vip(), str(RATE), str(seconds), row.connections, path)
        options = ["--tls"] if row.protocol.startswith("https") else []
        options += ["--protocol", "http2" if row.protocol in ("h2c", "https2") else "http1"]
        return self.start(
            f"load-{row.name}", "cli", plant.SIM, "load", "--target", row.vip(), "--rate", str(RATE),
            "--duration", str(seconds), "--prompt", "150", "--output", "24", "--seed", str(row.port),
            "--connections", "keep-alive" if row.connections == "keep" else "per-request",
            "--json", path, *options)

    def start(self, name, part, *command, env=None):
        # Ahead of whatever else the machine does: on a busy one clients read the clock too late.
        return super().start(name, part, "chrt", "-f", "10", *command, env=env)

    def seen(self, row):
        """What the command tells of the row's pool."""
        done = subprocess.run([plant.CLI, "--socket", f"{self.dir}/control.sock", "-o", "json", "pool", "show",
                               row.name], capture_output=True, text=True, timeout=10)
        return json.loads(done.stdout)["backends"][0]["latency"]["ever"]

    def run_rows(self, rows, seconds):
        loads = [(row, self.load(row, seconds)) for row in rows]
        for row, load in loads:
            if load.wait(timeout=seconds + WAIT_S) != 0:
                raise RuntimeError(f"load of {row.name}\n{self.log_tail(f'load-{row.name}')}")
        # The last silent answers end after a second; the data plane looks every 100 ms.
        self.wait_until("the last answers", lambda: all(self.is_complete(row) for row in rows), "control", 5) \
            if not all(self.is_complete(row) for row in rows) else None
        for row in rows:
            row.figures = compare(self.client_figures(row), self.seen(row))

    def client_figures(self, row):
        with open(f"{self.dir}/{row.name}.json", encoding="utf-8") as f:
            return json.load(f)

    def is_complete(self, row):
        return self.seen(row)["ttft_seconds"]["samples"] >= self.client_figures(row)["ok"]


def agrees(client_ms, seen_ms, within_ms):
    return abs(seen_ms - client_ms) <= max(WITHIN_SHARE * client_ms, within_ms)


def compare(client, seen):
    figures = {"requests": client["ok"], "failed": client["failed"],
               "seen": seen["ttft_seconds"]["samples"], "tokens_seen": seen["tpot_seconds"]["samples"],
               "errors": client.get("errors"), "pairs": {}, "ok": client["failed"] == 0 and seen["ttft_seconds"]["samples"] == client["ok"]}
    pairs = [(f"ttft {q}", client["answer_ms"][q], seen["ttft_seconds"][q], WITHIN_MS)
             for q in ("p50", "p90", "p99")]
    pairs.append(("per token", client["gap_mean_ms"], seen["tpot_seconds"]["mean"], 0))
    for name, client_ms, seen_s, within_ms in pairs:
        seen_ms = None if seen_s is None else 1000 * seen_s
        ok = client_ms is not None and seen_ms is not None and agrees(client_ms, seen_ms, within_ms)
        figures["pairs"][name] = {"client_ms": client_ms, "seen_ms": seen_ms, "ok": ok}
        figures["ok"] &= ok
    return figures


def cell(pair):
    if pair["client_ms"] is None or pair["seen_ms"] is None:
        return "-"
    return f"{pair['client_ms']:.1f} / {pair['seen_ms']:.1f}{'' if pair['ok'] else ' !'}"


def print_row(row):
    f = row.figures
    cells = "".join(f"{cell(pair):>19}" for pair in f["pairs"].values())
    print(f"{row.name:16}{f['requests']:>6} /{f['seen']:>5}{cells}  {'agree' if f['ok'] else 'DIFFER'}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=25)
    parser.add_argument("--only", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root" if args.tap else "groundtruth: namespaces need root")
        return 0 if args.tap else 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab = Lab(rows_of(args.only))
    try:
        lab.net.build()
        lab.start_dataplane(("af_packet",))
        lab.start_servers()
        lab.start_control()
        if args.tap:
            print(f"1..{len(lab.rows)}", flush=True)
        else:
            print(f"{'client / appliance':16}{'samples':>13}" +
                  "".join(f"{name + ' ms':>19}" for name in ("ttft p50", "ttft p90", "ttft p99", "per token")))
        for protocol in args.only:
            rows = [row for row in lab.rows if row.protocol == protocol]
            lab.run_rows(rows, args.seconds)
            for row in rows:
                if args.tap:
                    print(f"{'ok' if row.figures['ok'] else 'not ok'} {lab.rows.index(row) + 1} - "
                          f"{row.name} # {json.dumps(row.figures['pairs'])}", flush=True)
                else:
                    print_row(row)
    finally:
        lab.stop()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({row.name: row.figures for row in lab.rows}, f, indent=1)
    return 0 if all(row.figures and row.figures["ok"] for row in lab.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
