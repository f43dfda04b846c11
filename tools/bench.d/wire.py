# SPDX-License-Identifier: Apache-2.0
"""tools/bench --wire: wrk through Sluice and its peers, in turn, on the same wire."""
import argparse
import json
import os
import sys
import time

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib.d")]
import peers  # noqa: E402
from lab import end_on_signal, rotated, sweep_dead_runs  # noqa: E402
from machine import machine  # noqa: E402
from wire_lab import CONNECTIONS, PREFIX, WireLab  # noqa: E402
from wire_report import LOADS, complaints, summarize, table  # noqa: E402

WARM_S = 1
PEERS = {"testpmd io": peers.start_testpmd, "sluice": peers.start_sluice, "haproxy": peers.start_haproxy,
         "nginx stream": peers.start_nginx, "nftables": peers.start_nftables}


def progress(text):
    print(f"# {text}", flush=True)


def turn(name, seconds, cpus):
    lab = WireLab(*cpus)
    try:
        lab.build()
        lab.start_backend()
        PEERS[name](lab)
        lab.wait_ready("/", "hello\n")
        figures = {}
        for load in LOADS:
            lab.wrk(load, WARM_S)
            figures[load] = lab.wrk(load, seconds)
        return figures
    finally:
        lab.stop()


def measure(names, n_rounds, seconds, cpus):
    rounds, failures = [], []
    for number in range(n_rounds):
        rounds.append({})
        for name in rotated(names, number):
            try:
                figures = turn(name, seconds, cpus)
            except (RuntimeError, ValueError, OSError) as error:
                failures.append((number + 1, name, str(error)))
                progress(f"round {number + 1}/{n_rounds}  {name:<13} failed: {error}")
                continue
            rounds[-1][name] = figures
            progress(f"round {number + 1}/{n_rounds}  {name:<13}" + "  ".join(
                f"{load} {f['per_s']:.0f}/s p50 {f['p50_ms']:.2f} p99 {f['p99_ms']:.2f} ms, "
                f"{sum(f['errors'].values())} errors" for load, f in figures.items()))
    return rounds, failures


def main():
    args = argparse.ArgumentParser(prog="tools/bench --wire")
    args.add_argument("--wire", action="store_true", help=argparse.SUPPRESS)  # chose this program
    args.add_argument("--quick", action="store_true", help="3 rounds of 1 s")
    args.add_argument("--json", metavar="FILE")
    args.add_argument("--only", default="", help="contestants whose name contains this, and the yardstick")
    args.add_argument("--rounds", type=int, default=0)
    args = args.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("bench: --wire needs two CPUs: one for the balancer, one for the rest")
    n_rounds, seconds = (args.rounds or 3, 1) if args.quick else (args.rounds or 5, 4)
    names = [n for n in PEERS if args.only in n or n == next(iter(PEERS))]
    end_on_signal()
    sweep_dead_runs(PREFIX)
    about = machine()
    progress("{cpu}, {cpus} cpus, {git}, load {load:.1f}, kernel {kernel}".format(kernel=os.uname().release, **about))
    progress(f"balancer on cpu {cpus[-1]}, the rest on cpu {cpus[0]}; wrk with {CONNECTIONS} connections, "
             f"{n_rounds} rounds of {seconds} s")
    started = time.monotonic()
    rounds, failures = measure(names, n_rounds, seconds, (str(cpus[-1]), str(cpus[0])))
    summary = summarize(rounds)
    found = complaints(summary, failures, names, n_rounds)
    progress(f"median of the rounds; load now {os.getloadavg()[0]:.1f}, took {time.monotonic() - started:.0f} s")
    print(table(summary))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"machine": about, "rounds": rounds, "summary": summary, "complaints": found}, f, indent=1)
            f.write("\n")
    for text in found:
        print(f"bench: {text}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
