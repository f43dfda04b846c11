# SPDX-License-Identifier: Apache-2.0
"""What tools/bench --wire makes of wrk's words: figures, ratios, a table, complaints. Pure."""
import re
import statistics

YARDSTICK = "testpmd io"
LOADS = ("keep-alive", "close")
UNIT_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
ERRORS = ("connect", "read", "write", "timeout", "status")


def parse_wrk(text):
    """Requests per second, percentiles in ms and errors of `wrk --latency`."""
    requests = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    percentiles = {int(p): round(float(value) * UNIT_MS[unit], 6) for p, value, unit in
                   re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s|m) *$", text, re.MULTILINE)}
    if requests is None or rate is None or not {50, 99} <= set(percentiles):
        raise ValueError(f"this is not a report of wrk --latency:\n{text}")
    errors = dict.fromkeys(ERRORS, 0)
    # Both lines are there only when something went wrong.
    for kind, n in re.findall(r"(connect|read|write|timeout) (\d+)", text):
        errors[kind] = int(n)
    if m := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        errors["status"] = int(m[1])
    return {"requests": int(requests[1]), "per_s": float(rate[1]), "p50_ms": percentiles[50],
            "p99_ms": percentiles[99], "errors": errors}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(rounds):
    """rounds: one {contestant: {load: figures}} per round; a contestant that failed is not in it.

    The ratio is to the yardstick of the same round, so that what slows both cancels out."""
    summary = {}
    for name in dict.fromkeys(n for r in rounds for n in r):
        summary[name] = {}
        for load in LOADS:
            taken = [r for r in rounds if load in r.get(name, {})]
            if not taken:
                continue
            mine = [r[name][load] for r in taken]
            row = {key: spread([m[key] for m in mine]) for key in ("per_s", "p50_ms", "p99_ms")}
            ratios = [r[name][load]["per_s"] / r[YARDSTICK][load]["per_s"]
                      for r in taken if load in r.get(YARDSTICK, {})]
            row["ratio"] = spread(ratios) if ratios else None
            row["errors"] = {e: sum(m["errors"][e] for m in mine) for e in ERRORS}
            summary[name][load] = row
    return summary


def table(summary):
    unit = {"keep-alive": "requests/s", "close": "connections/s"}
    lines = []
    for load in LOADS:
        lines.append(f"{load:<14}{unit[load]:>14}{'p50 ms':>9}{'p99 ms':>9}{'to testpmd io':>16}{'min..max':>13}"
                     f"{'errors':>8}")
        for name, loads in summary.items():
            if load not in loads:
                continue
            row, ratio = loads[load], loads[load]["ratio"]
            text = (f"  {name:<12}{row['per_s']['median']:>14.0f}{row['p50_ms']['median']:>9.2f}"
                    f"{row['p99_ms']['median']:>9.2f}")
            text += (f"{ratio['median']:>16.3f}{ratio['min']:>7.2f}..{ratio['max']:.2f}" if ratio
                     else f"{'-':>16}{'':>13}")
            lines.append(text + f"{sum(row['errors'].values()):>8}")
    return "\n".join(lines)


def complaints(summary, failures, names, n_rounds):
    """Why the run is not a clean one; empty when it is. failures: (round, contestant, reason)."""
    found = [f"round {number}, {name}: {reason}" for number, name, reason in failures]
    for name in names:
        for load in LOADS:
            row = summary.get(name, {}).get(load)
            errors = ", ".join(f"{e} {n}" for e, n in row["errors"].items() if n) if row else ""
            if errors:
                found.append(f"{name}, {load}: errors of wrk in {n_rounds} rounds: {errors}")
            if row is None and not any(name == f[1] for f in failures):
                found.append(f"{name}, {load}: nothing was measured")
    return found
