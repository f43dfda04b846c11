# SPDX-License-Identifier: Apache-2.0
"""tools/bench: runs bench_subject and dpdk-testpmd in turn on the same captures, prints a table.

Both processes are started once per row, load the same capture, and then take turns of a fraction of
a second on the same core; the one whose turn it is not sleeps. Rates are per second of the worker
thread's own CPU time, so that a busy machine costs precision, not truth; the ratio of each pair is
what to look at.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib.d")]
import scale  # noqa: E402
from count import instructions  # noqa: E402
from machine import machine  # noqa: E402
from testpmd import Testpmd  # noqa: E402

BUILD = "build/tests/bench"

# name, forwarding, kind, flows, options, in --quick, ratio to reach (issue 3)
ROWS = [
    ("nat 1 k", "nat", "established", 1000, [], True, 0.30),
    ("nat 100 k", "nat", "established", 100_000, [], True, 0.40),
    ("nat 1 M", "nat", "established", 1_000_000, [], False, 0.40),
    ("nat v6 100 k", "nat", "established", 100_000, ["v6"], False, None),
    ("fullnat 100 k", "fullnat", "established", 100_000, [], False, None),
    ("nat 10 M", "nat", "established", 10_000_000, [], False, None),
    ("dsr-l2 1 M", "dsr-l2", "established", 1_000_000, [], False, 0.45),
    ("dsr-ipip 1 M", "dsr-ipip", "established", 1_000_000, [], False, 0.45),
    ("connections", "nat", "connections", 65536, [], True, None),
    ("syn flood", "nat", "flood", 1_000_000, [], False, None),
    ("flood random", "nat", "flood-random", 1_000_000, [], False, None),
    ("flood siphash", "nat", "flood-siphash", 1_000_000, [], False, None),
    ("flood crc", "nat", "flood-crc", 1_000_000, [], False, None),
]


class Subject:
    """Our worker on the capture it wrote itself."""

    def __init__(self, forward, kind, flows, capture, options):
        self.process = subprocess.Popen(
            [f"{BUILD}/bench_subject", forward, kind, str(flows), capture, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            raise SystemExit(f"bench: bench_subject did not start ({line.strip()!r})")
        self.about = json.loads(line[len("ready "):])

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, ms):
        return self.ask(f"run {ms}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(row, pairs, ms, directory):
    name, forward, kind, flows, options, _, _ = row
    capture = os.path.join(directory, "capture.pcap")
    subject = Subject(forward, kind, flows, capture, options)
    testpmd = Testpmd(capture, subject.about["capture_packets"], subject.about["buffer_bytes"])
    ours, theirs = [], []
    try:
        # Once through the capture: page faults and first flows are not what is measured.
        testpmd.run(ms)
        subject.run(max(ms, 1000))
        for _ in range(pairs):
            theirs.append(testpmd.run(ms))
            ours.append(subject.run(ms))
    finally:
        subject.close()
        testpmd.close()
        os.unlink(capture)
    mpps = [r["packets"] * 1e3 / r["cpu_ns"] for r in ours]
    yard = [r["packets"] * 1e3 / r["cpu_ns"] for r in theirs]
    result = {
        "name": name, "flows": flows, "pairs": pairs, **subject.about,
        "mpps": spread(mpps), "testpmd_mpps": spread(yard),
        "cycles_per_packet": spread([r["tsc_hz"] * r["cpu_ns"] / 1e9 / r["packets"] for r in ours]),
        "ratio": spread([a / b for a, b in zip(mpps, yard)]),
        "dropped": sum(r["dropped"] for r in ours),
    }
    if kind == "connections":
        result["connections_per_s"] = spread([r["flows_new"] * 1e9 / r["cpu_ns"] for r in ours])
    if kind == "established" and (result["dropped"] or any(r["flows_new"] for r in ours)):
        raise SystemExit(f"bench: {name}: the capture does not hit its flows: {ours[-1]}")
    return result


def show(result, reach):
    r, m, c = result["ratio"], result["mpps"], result["cycles_per_packet"]
    text = (f"{result['name']:<14}{m['median']:8.2f}{result['testpmd_mpps']['median']:10.2f}"
            f"{c['median']:10.0f}{r['median']:9.3f}  {r['min']:.3f}..{r['max']:.3f}")
    if reach is not None:
        text += f"   {'reached' if r['median'] >= reach else 'below'} {reach:.2f}"
    if "connections_per_s" in result:
        text += f"   {result['connections_per_s']['median'] / 1e3:.0f} k connections/s"
    print(text, flush=True)


def compare(rows):
    """What the issue bounds by another row, and memory; as far as these rows were measured."""
    cycles = {r["name"]: r["cycles_per_packet"]["median"] for r in rows}
    for name, base, most in [("nat 10 M", "nat 1 M", 1.6), ("flood siphash", "flood random", 1.5),
                             ("flood crc", "flood random", 1.5)]:
        if name in cycles and base in cycles:
            print(f"{name} / {base}: {cycles[name] / cycles[base]:.2f} of the cycles, at most {most}")
    for r in rows:
        if r["flows"] >= 1_000_000:
            print(f"{r['name']}: memory of {r['flows']} flows: table {r['table_resident_bytes'] / 1e6:.0f} MB resident "
                  f"({r['table_resident_bytes'] / r['flows']:.0f} bytes a flow) of {r['table_bytes'] / 1e6:.0f} reserved, "
                  f"measured phases {r['measure_resident_bytes'] / 1e6:.0f} MB")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--quick", action="store_true")
    args.add_argument("--json", metavar="FILE")
    args.add_argument("--only", default="")
    args.add_argument("--pairs", type=int, default=0)
    args = args.parse_args()
    pairs, ms = (args.pairs or 5, 200) if args.quick else (args.pairs or 7, 500)
    report = {"machine": machine(), "rows": []}
    print("# {cpu}, {cpus} cpus, {compiler}, {git}, load {load:.1f}".format(**report["machine"]))
    print("# rates per second of the worker's CPU time; cycles of the TSC; ratio to testpmd macswap, each pair")
    print(f"{'':<14}{'Mpps':>8}{'testpmd':>10}{'cycles':>10}{'ratio':>9}")
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
        for row in ROWS:
            if args.only not in row[0] or (args.quick and not row[5] and not args.only):
                continue
            report["rows"].append(measure(row, pairs, ms, directory))
            show(report["rows"][-1], row[6])
        if args.only in "storm":
            report["storm"] = scale.storm(Subject, directory, pairs)
        if args.only in "reload":
            report["reload"] = scale.reload(Subject, directory, pairs)
        for flows in [1000] if args.quick else [1000, 100_000]:
            if args.only in f"steering {flows}":
                report[f"steering {flows}"] = scale.steering(Subject, directory, flows, pairs)
    if not args.only:
        report["pick_ns"] = json.loads(subprocess.check_output([f"{BUILD}/bench_pick"], text=True))
        print("pick at 64 backends, ns: " + ", ".join(f"{k} {v:.1f}" for k, v in report["pick_ns"].items()))
        report["instructions"] = instructions(f"{BUILD}/bench_count")
        print("instructions per packet: " + ", ".join(f"{k} {v:.1f}" for k, v in report["instructions"].items()))
    compare(report["rows"])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(report, f, indent=1)
            f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
