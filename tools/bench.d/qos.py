# SPDX-License-Identifier: Apache-2.0
"""tools/bench --qos: streaming inference beside training that asks for twice what the port carries.

The port to the client is limited to RATE_MBIT. Through it come the tokens of sluice-sim, an iperf3 that
sends twice that rate (TCP with ECN), and a stream of RoCE datagrams (UDP 4791). Sluice with classes, Sluice
without (everything general) and nftables DNAT behind a tbf of the same rate, where the kernel has one;
each is measured without training and with it.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib.d"))
from lab import PORT, VIP, Lab, sweep_dead_runs, wait_until  # noqa: E402
from netns import die_with_parent, run  # noqa: E402
from peers import CLI, CONTROL, DATAPLANE, kernel_addresses  # noqa: E402

PREFIX, SERVER = "slq", "10.20.0.11"
RATE_MBIT = 200
SECONDS, LOAD_RATE = 8, 20
TRAINING_PORT, ROCE_PORT = 5201, 4791
ROCE_PACKETS, ROCE_EACH_S = 2000, 0.002
SIM = os.path.abspath("build/tools/sim/sluice-sim")
DATAPLANE_YAML = """\
workers: 1
idle: sleep
socket: {dir}/dataplane.sock
ports:
  - {{name: client, device: "af_xdp:cli0", addresses: [10.10.0.1/24], rate: {rate}Mbit}}
  - {{name: server, device: "af_xdp:srv0", addresses: [10.20.0.1/24]}}
"""
POOLS_YAML = """\
version: 1
vips:
  - {{name: chat, address: "{vip}", ports: [{port}], pool: chat, class: {inference}}}
  - {{name: train, address: "{vip}", ports: [{training}], pool: train, class: {training_class}}}
  - {{name: roce, address: "{vip}", ports: [{roce}], protocol: udp, pool: roce}}
pools:
  chat: {{forward: {{mode: nat}}, backends: [{{name: s, address: "{server}:{port}"}}]}}
  train: {{forward: {{mode: nat}}, backends: [{{name: s, address: "{server}:{training}"}}]}}
  roce: {{forward: {{mode: nat}}, backends: [{{name: s, address: "{server}:{roce}"}}]}}
"""
NFT = """\
table ip q {{
	chain pre {{
		type nat hook prerouting priority dstnat;
		ip daddr {vip} dnat to {server}
	}}
}}
"""
# A requester whose reads are answered: data packets of a queue pair, numbered, as fast as they are paced.
ROCE_SERVER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 4791))
peer = s.recvfrom(2000)[1]; due = time.monotonic()
for n in range(int(sys.argv[2])):
    s.sendto(bytes([0x0e, 0, 255, 255, 0, 0, 1, 17, 0]) + n.to_bytes(3, "big") + bytes(1024), peer)
    due += float(sys.argv[3]); time.sleep(max(0, due - time.monotonic()))
"""
ROCE_CLIENT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22); n = 0
s.sendto(bytes([0x0c, 0, 255, 255, 0, 0, 1, 17]) + bytes(24), (sys.argv[1], 4791))
try:
    while n < int(sys.argv[2]): s.recv(2000); n += 1
except TimeoutError: pass
print(n)
"""


def start_sluice(lab, has_classes):
    lab.start("sluice-dataplane", "lb", lab.balancer_cpu, DATAPLANE, "--config",
              lab.write("dataplane.yaml", DATAPLANE_YAML.format(dir=lab.dir, rate=RATE_MBIT)), env={"SLUICE_BIN": CLI})
    wait_until("sluice-dataplane", lambda: lab.check_alive() or "sluice-dataplane: ready" in lab.log("sluice-dataplane"))
    os.mkdir(f"{lab.dir}/state")
    pools = POOLS_YAML.format(vip=VIP, port=PORT, training=TRAINING_PORT, roce=ROCE_PORT, server=SERVER,
                              inference="inference" if has_classes else "general",
                              training_class="training" if has_classes else "general")
    lab.start("sluice-control", "lb", lab.other_cpu, CONTROL, "--config", lab.write("pools.yaml", pools), "--state-dir",
              f"{lab.dir}/state", "--dataplane-socket", f"{lab.dir}/dataplane.sock", "--socket", f"{lab.dir}/control.sock")


def start_nftables(lab, _):
    kernel_addresses(lab)
    lab.inside_lb("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.inside_lb("tc", "qdisc", "add", "dev", "cli0", "root", "tbf", "rate", f"{RATE_MBIT}mbit", "burst", "50kb",
                  "latency", "60ms")
    lab.inside_lb("nft", "-f", lab.write("nft.conf", NFT.format(vip=VIP, server=SERVER)))


def run_for(lab, part, *command, timeout=60):
    return subprocess.run(lab.net.inside(part, *command), capture_output=True, text=True, timeout=timeout,
                          preexec_fn=die_with_parent, check=False).stdout


def queues(lab):
    """Counters of the limited port, as operators read them."""
    if not os.path.exists(f"{lab.dir}/control.sock"):
        return {}
    done = run(*lab.net.inside("lb", CLI, "--socket", f"{lab.dir}/control.sock", "-o", "json", "status"))
    return json.loads(done)["dataplane"]["ports"][0].get("queues", {})


def measure(lab, with_training):
    trainer, roce = None, None
    if with_training:
        trainer = subprocess.Popen(
            lab.net.inside("cli", "iperf3", "-J", "-R", "-c", VIP, "-p", str(TRAINING_PORT), "-t", str(SECONDS + 2),
                           "-b", f"{2 * RATE_MBIT}M"), stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        roce = subprocess.Popen(lab.net.inside("cli", "python3", "-c", ROCE_CLIENT, VIP, str(ROCE_PACKETS)),
                                stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    report = f"{lab.dir}/load.json"
    run_for(lab, "cli", SIM, "load", "--target", f"{VIP}:{PORT}", "--rate", str(LOAD_RATE), "--duration", str(SECONDS),
            "--output", "32", "--prompt", "100", "--seed", "3", "--json", report)
    with open(report, encoding="utf-8") as f:
        report = json.load(f)
    row = {"ttft_p99_ms": report["ttft_ms"]["p99"], "tpot_p99_ms": report["tpot_ms"]["p99"], "failed": report["failed"]}
    if with_training:
        end = json.loads(trainer.communicate(timeout=30)[0])["end"]
        row["training_mbit"] = end["sum_received"]["bits_per_second"] / 1e6
        row["roce_lost"] = ROCE_PACKETS - int(roce.communicate(timeout=30)[0] or 0)
        row["queues"] = queues(lab)
    return row


def turn(start, has_classes):
    lab = Lab(PREFIX, "0", str(os.cpu_count() - 1), 1)
    try:
        lab.build()
        for part in ("cli", "srv"):
            run(*lab.net.inside(part, "sysctl", "-qw", "net.ipv4.tcp_ecn=1"))
        start(lab, has_classes)
        lab.start("sim", "srv", lab.other_cpu, SIM, "server", "--listen", f"{SERVER}:{PORT}", "--name", "s",
                  "--seed", "1")
        lab.start("iperf3", "srv", lab.other_cpu, "iperf3", "-s", "-p", str(TRAINING_PORT))
        lab.start("roce", "srv", lab.other_cpu, "python3", "-c", ROCE_SERVER, SERVER, str(ROCE_PACKETS),
                  str(ROCE_EACH_S))
        wait_until("an answer through the balancer", lambda: lab.net and "HTTP" in run_for(
            lab, "cli", "curl", "-si", "--max-time", "1", f"http://{VIP}:{PORT}/health"))
        return measure(lab, False), measure(lab, True)
    finally:
        lab.stop()


def main():
    sweep_dead_runs(PREFIX)
    peers = [("sluice, classes", start_sluice, True), ("sluice, all general", start_sluice, False),
             ("nftables, tbf", start_nftables, False)]
    result = {}
    print(f"port {RATE_MBIT} Mbit/s, training asks for {2 * RATE_MBIT}; p99 in ms, alone -> beside training")
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    for name, start, has_classes in peers:
        if only not in name:
            continue
        try:
            alone, beside = turn(start, has_classes)
        except RuntimeError as why:
            print(f"{name:22} not measured: {why}")
            continue
        result[name] = {"alone": alone, "beside": beside}
        marked = sum(q["marked_total"] for q in beside["queues"].values())
        dropped = sum(q["dropped_total"] for q in beside["queues"].values())
        print(f"{name:22} TTFT {alone['ttft_p99_ms']:7.2f} -> {beside['ttft_p99_ms']:7.2f}   per token "
              f"{alone['tpot_p99_ms']:6.2f} -> {beside['tpot_p99_ms']:6.2f}   training {beside['training_mbit']:6.1f} "
              f"Mbit/s   RoCE lost {beside['roce_lost']}   failed {alone['failed'] + beside['failed']}   "
              f"{f'marked {marked} dropped {dropped}' if beside['queues'] else ''}", flush=True)
    if "--json" in sys.argv:
        with open(sys.argv[sys.argv.index("--json") + 1], "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
