# SPDX-License-Identifier: Apache-2.0
"""What tools/demo --compare makes of the clients' reports: figures, ratios, tables, verdicts. Pure."""
import statistics

OURS = "sluice adaptive"
# Issue 4, section 4.
REACH_RATIO = 0.70
# A step of a server's engine takes 8 ms and more: above this the machine is measured, not the balancer.
CPU_WAIT_MS = 1.0


def figures_of(report, loaded):
    """One turn, from `sluice-sim load --json`: seconds, shares of 1. loaded: names of the busy servers."""
    served = {name: b["ok"] for name, b in report["backends"].items()}
    total = sum(served.values())

    def seconds(what, percentile):
        value = report[what][percentile]
        return None if value is None else value / 1000

    return {"sent": report["sent"], "ok": report["ok"], "failed": report["failed"],
            "errors": {kind: n for kind, n in report["errors"].items() if n},
            "ttft_p50": seconds("ttft_ms", "p50"), "ttft_p99": seconds("ttft_ms", "p99"),
            "e2e_p99": seconds("e2e_ms", "p99"), "tpot_p99": seconds("tpot_ms", "p99"),
            "slo": report["slo_attainment"],
            "loaded_share": sum(n for name, n in served.items() if name in loaded) / total if total else None}


def best_other(figures, names):
    """Of one round: who of the others has the least TTFT p99, and it; None when nobody has any."""
    known = [(figures[n]["ttft_p99"], n) for n in names
             if n != OURS and n in figures and figures[n]["ttft_p99"]]
    return min(known, default=None)


def ratios(rounds, names):
    """Per round: our TTFT p99 by the best other one's of the same round, and whose that was."""
    found = []
    for figures in rounds:
        best = best_other(figures, names)
        ours = figures.get(OURS, {}).get("ttft_p99")
        if best and ours:
            found.append((ours / best[0], best[1]))
    return found


def median(rounds, name, key):
    values = [r[name][key] for r in rounds if name in r and r[name][key] is not None]
    return statistics.median(values) if values else None


def cell(value, width, digits=2):
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{digits}f}"


def percent(value):
    return None if value is None else 100 * value


def table(rounds, names):
    """Medians of the rounds; requests and errors are sums."""
    best = min((m for n in names if n != OURS and (m := median(rounds, n, "ttft_p99"))), default=None)
    lines = [f"{'':<26}{'TTFT p50 s':>11}{'p99 s':>8}{'to best other':>15}{'E2E p99 s':>11}{'SLO %':>8}"
             f"{'to loaded %':>13}{'requests':>10}{'errors':>8}"]
    for name in names:
        ttft = median(rounds, name, "ttft_p99")
        ratio = ttft / best if ttft and best else None
        lines.append(f"{name:<26}{cell(median(rounds, name, 'ttft_p50'), 11, 3)}{cell(ttft, 8)}{cell(ratio, 15)}"
                     f"{cell(median(rounds, name, 'e2e_p99'), 11)}{cell(percent(median(rounds, name, 'slo')), 8, 1)}"
                     f"{cell(percent(median(rounds, name, 'loaded_share')), 13, 1)}"
                     f"{sum(r[name]['sent'] for r in rounds if name in r):>10}"
                     f"{sum(r[name]['failed'] for r in rounds if name in r):>8}")
    return "\n".join(lines)


def disturbed(rounds):
    """Turns (round, contestant, ms) in which the servers waited too long for the CPU."""
    return [(number + 1, name, figures["cpu_wait_ms"]) for number, r in enumerate(rounds)
            for name, figures in r.items() if figures["cpu_wait_ms"] > CPU_WAIT_MS]


def verdicts(rounds, names, failures, must_reach):
    """Rows (passed, words). failures: (round, contestant, reason)."""
    rows = [(False, f"round {number}, {name}: {reason}") for number, name, reason in failures]
    failed = sum(r[OURS]["failed"] for r in rounds if OURS in r)
    sent = sum(r[OURS]["sent"] for r in rounds if OURS in r)
    rows.append((sent > 0 and failed == 0, f"no error through {OURS}: {failed} of {sent} requests"))
    if must_reach:
        found = ratios(rounds, names)
        each = ", ".join(f"{ratio:.2f} ({name})" for ratio, name in found)
        middle = statistics.median(r for r, _ in found) if found else None
        rows.append((middle is not None and middle <= REACH_RATIO,
                     f"TTFT p99 of {OURS} at most {REACH_RATIO:.2f} of the best other one's of its round: "
                     f"median {'-' if middle is None else f'{middle:.2f}'}; rounds: {each or 'none'}"))
    return rows
