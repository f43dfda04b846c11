# SPDX-License-Identifier: Apache-2.0
"""What flows show decides: a slow, a hung and a failing server, and who gets the new flows."""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "demo.d"))
import net  # noqa: E402
import plant  # noqa: E402

RATE = 24
WARM_UP_S, LOOK_S = 15, 5
FAIR = 1 / len(net.SERVERS)
POOLS = """\
version: 1
defaults: {{probe: {{interval: 500ms, timeout: 400ms, rise: 2, fall: 3}}}}
vips:
  - {{name: chat, address: "{vip}", ports: [{port}], pool: chat}}
pools:
  chat:
    forward: {{mode: nat}}
    balance: adaptive
    slow-start: 1s
    probes: {{tcp: {{type: tcp}}}}
    backends:
"""


class Lab(plant.Plant):
    def __init__(self):
        super().__init__()
        self.rows = []

    def start_control(self):
        with open(f"{self.dir}/pools.yaml", "w", encoding="utf-8") as f:
            f.write(POOLS.format(vip=net.VIP4, port=net.PORT))
            for server in net.SERVERS:
                f.write(f"      - {{name: {server}, address: \"{net.server_addresses(server)[0]}:{net.PORT}\"}}\n")
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        self.start("control", "lb", plant.CONTROL, "--config", f"{self.dir}/pools.yaml", "--state-dir",
                   f"{self.dir}/state", "--dataplane-socket", f"{self.dir}/dataplane.sock",
                   "--socket", f"{self.dir}/control.sock")
        self.wait_until("backends", self.has_all_up, "control")

    def knob(self, name, setting):
        subprocess.run(self.net.inside(name, plant.SIM, "knob", f"{net.server_addresses(name)[0]}:{net.PORT}",
                                       setting), check=True, capture_output=True, timeout=5)

    def backend(self, name):
        backends = (self.api("/api/v1/pools/chat", timeout=3) or {})["backends"]
        return next(b for b in backends if b["name"] == name)

    def new_flows(self):
        backends = (self.api("/api/v1/pools/chat", timeout=3) or {})["backends"]
        return {b["name"]: b["flows_new_total"] for b in backends}

    def share(self, name, seconds):
        """Of the new flows of the next seconds, probes excluded: they do not pass us."""
        before = self.new_flows()
        time.sleep(seconds)
        after = self.new_flows()
        return (after[name] - before[name]) / max(1, sum(after.values()) - sum(before.values()))

    def seconds_until(self, is_there, timeout_s):
        start = time.monotonic()
        while time.monotonic() - start < timeout_s:
            if is_there():
                return time.monotonic() - start
            time.sleep(0.1)
        return None

    def row(self, is_good, what, **figures):
        self.rows.append({"pass": bool(is_good), "what": what, **figures})
        told = ", ".join(f"{k.replace('_', ' ')} {v:.2f}" if isinstance(v, float) else f"{k.replace('_', ' ')} {v}"
                         for k, v in figures.items())
        print(f"{'PASS' if is_good else 'FAIL'}  {what}: {told}", flush=True)

    def guard(self, name):
        return self.backend(name)["steer"]["guard"]

    def slow_server(self):
        before = self.share("g2", LOOK_S)
        self.knob("g2", "slow=5")
        time.sleep(10)
        after = self.share("g2", LOOK_S)
        self.row(after < before / 2, "a server 5 times as slow has less than half its share after 10 s",
                 share_before=before, share_after=after, guard=self.guard("g2"))
        self.knob("g2", "slow=1")
        took_s = self.seconds_until(lambda: self.guard("g2") == "closed"
                                    and self.backend("g2")["share"] > 0.8 * FAIR, 130)
        self.row(took_s is not None, "and gets it back", seconds=took_s,
                 share=self.share("g2", LOOK_S))

    def ejected(self, name, setting, what, reasons):
        self.knob(name, setting)
        took_s = self.seconds_until(lambda: self.guard(name) == "ejected", 30)
        steer = self.backend(name)["steer"]
        why = steer["last_ejection"] or {"reason": "none"}
        self.row(took_s is not None and why["reason"] in reasons and self.backend(name)["state"] == "up", what,
                 seconds=took_s, reason=why["reason"], value=why.get("value"), bound=why.get("bound"))
        share = self.share(name, 3)
        self.row(share == 0, "and gets no new flow while its probe says up", share=share)
        self.knob(name, setting.split("=")[0] + "=false")
        took_s = self.seconds_until(lambda: self.guard(name) == "closed", 90)
        self.row(took_s is not None, "and comes back by itself", seconds=took_s)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("steering: namespaces need root")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab = Lab()
    try:
        lab.net.build()
        lab.start_dataplane(("af_packet",))
        for server in net.SERVERS:
            lab.start_server(server)
        lab.start_control()
        lab.start_load("chat", RATE, 600)
        time.sleep(WARM_UP_S)
        lab.slow_server()
        lab.ejected("g3", "hang=true", "a server that hangs is ejected", ("stall", "outlier"))
        lab.ejected("g4", 'fail="inference"', "a server that fails fast is ejected", ("sinkhole",))
        print("from the log of control:")
        for line in lab.log_tail("control", 200).splitlines():
            if any(word in line for word in ("ejected", "half open", "back in service")):
                print("  " + line)
    finally:
        lab.stop()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(lab.rows, f, indent=1)
    return 0 if all(row["pass"] for row in lab.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
