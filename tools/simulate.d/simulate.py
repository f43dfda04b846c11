# SPDX-License-Identifier: Apache-2.0
"""tools/simulate: runs sluice-sim-cluster over scenarios, policies and seeds, prints tables.

A seed fixes arrivals and lengths, so policies are compared seed by seed: the interval of a ratio is that of
the ratios of pairs.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(__file__))
import reach  # noqa: E402
from statistic import text  # noqa: E402

PROGRAM = "build/tests/sim/sluice-sim-cluster"
SECONDS = 900
LARGE_SECONDS = 300  # of a run with 128 servers
PROCESSES = 2


def arguments():
    p = argparse.ArgumentParser(prog="tools/simulate")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--seeds", type=int)
    p.add_argument("--first-seed", type=int, default=1)
    p.add_argument("--scenario", action="append")
    p.add_argument("--policy", action="append")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--list", action="store_true")
    return p.parse_args()


def known():
    """({scenario: what it is}, [policy])"""
    lines = [line.split("\t") for line in subprocess.run(
        [PROGRAM, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()]
    return {w[1]: w[2] for w in lines if w[0] == "scenario"}, [w[1] for w in lines if w[0] == "policy"]


def choose(asked, quick, all_of, what):
    for name in asked or []:
        if name not in all_of:
            sys.exit(f"simulate: no {what} {name}; there are {', '.join(all_of)}")
    if asked:
        return [name for name in all_of if name in asked]
    return [name for name in all_of if not quick or name in reach.QUICK]


def run(job):
    scenario, policy, seed = job
    seconds = LARGE_SECONDS if scenario == "128-servers" else SECONDS
    done = subprocess.run(["nice", PROGRAM, scenario, policy, str(seed), str(seconds)], capture_output=True,
                          text=True, check=True)
    return json.loads(done.stdout)


def run_all(jobs):
    results, start = {}, time.monotonic()
    with ThreadPoolExecutor(PROCESSES) as pool:
        for n, (job, result) in enumerate(zip(jobs, pool.map(run, jobs)), 1):
            results[job] = result
            left_s = (time.monotonic() - start) / n * (len(jobs) - n)
            print(f"\rsimulate: {n} of {len(jobs)} runs, {left_s:.0f} s left, {job[0]} {job[1]}\033[K", end="",
                  file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def print_table(scenario, what, policies, of):
    print(f"\n### {scenario}: {what}\n")
    has_classes = any(r["slo_second"] > 0 for policy in policies for r in of(scenario, policy))
    print("| policy | TTFT p50 s | TTFT p99 s | TTFT p99.9 s | E2E p99 s | in objective % | failed % | refused % | swing of shares % |"
          + (" first class in objective % | second % |" if has_classes else ""))
    print("|---|---|---|---|---|---|---|---|---|" + ("---|---|" if has_classes else ""))
    for policy in policies:
        runs = of(scenario, policy)
        cells = [text((r["ttft_p50"] for r in runs), 3), text((r["ttft_p99"] for r in runs), 3),
                 text((r["ttft_p999"] for r in runs), 2), text((r["e2e_p99"] for r in runs), 1),
                 text((r["slo"] for r in runs), 2, 100),
                 text((r["failed"] / r["asked"] for r in runs), 3, 100),
                 text((r["refused"] / r["asked"] for r in runs), 2, 100),
                 text((r["share_swing"] for r in runs), 1, 100)]
        if has_classes:
            cells += [text((r[c] for r in runs), 2, 100) for c in ("slo_first", "slo_second")]
        print(f"| {policy} | {' | '.join(cells)} |")


def main():
    args = arguments()
    scenarios, policies = known()
    if args.list:
        for name, what in scenarios.items():
            print(f"{name:18}{what}")
        print("\npolicies: " + " ".join(policies))
        return 0
    chosen = choose(args.scenario, args.quick, scenarios, "scenario")
    compared = choose(args.policy, args.quick, policies, "policy")
    seeds = range(args.first_seed, args.first_seed + (args.seeds or (3 if args.quick else 10)))
    results = run_all([(s, p, seed) for s in chosen for p in compared for seed in seeds])

    def of(scenario, policy):
        return [results[scenario, policy, seed] for seed in seeds if (scenario, policy, seed) in results]

    for scenario in chosen:
        print_table(scenario, scenarios[scenario], compared, of)
    missed = reach.print_rows(of)
    if args.json:
        with open(args.json, "w", encoding="ascii") as f:
            json.dump([{"scenario": s, "policy": p, "seed": seed} | r for (s, p, seed), r in results.items()], f,
                      indent=0)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
