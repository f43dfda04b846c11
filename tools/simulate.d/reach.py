# SPDX-License-Identifier: Apache-2.0
"""The goals of issue 4 section 3 over the runs there are. A goal is met when the mean over the seeds meets it;
the interval and the median stand beside it, so that a mean that one bad seed makes is seen as such."""
import statistics

from statistic import interval, text

OURS, BASE = "adaptive", "least-connections"
SHAPES = ["S1", "S2", "S3", "S4", "S5"]
SETTLED = SHAPES + ["slow-2x", "step-2x", "join", "bursts", "flap", "blackout"]
QUICK = [OURS, BASE] + SHAPES + ["overload-106", "join", "step-2x"]


def less(of, scenario, figure):
    """By how much ours is less, in percent, seed by seed."""
    return [100 * (1 - a[figure] / b[figure]) for a, b in zip(of(scenario, OURS), of(scenario, BASE))]


def rows(of):
    """(goal, measured, met) of every goal whose runs are there."""
    for s in SHAPES:
        if of(s, OURS) and of(s, BASE):
            gain = less(of, s, "ttft_p99")
            yield (f"{s}: TTFT p99 at least 30 % below {BASE}",
                   f"{text(gain, 1)} % below, median {statistics.median(gain):.1f} %",
                   statistics.fmean(gain) >= 30)
    for s in SHAPES:
        if of(s, OURS) and of(s, BASE):
            gain = less(of, s, "e2e_all_p99")
            mean, half = interval(gain)
            # Worse is what 95 % are sure of; one seed has no interval.
            yield (f"{s}: E2E p99 not worse (a failed request counts 60 s)", f"{text(gain, 1)} % below",
                   mean >= 0 or mean + half >= 0)
    for s, figure, bound, scale, what in [
            ("S5", lambda r: r["failed"] / r["asked"], 0.002, 100, "at most 0.2 % of requests lost to a sinkhole"),
            ("S4", lambda r: r["slow_share"], 0.5, 100, "a server 6 x slower is below 50 % of its share after 10 s"),
            ("join", lambda r: r["join_p999"], 1.0, 1, "TTFT p99.9 in the 60 s after a cold server joins at most 1 s")]:
        if of(s, OURS):
            values = [figure(r) for r in of(s, OURS)]
            yield (f"{s}: {what}", text(values, 2 if scale == 1 else 3, scale) + (" s" if scale == 1 else " %"),
                   statistics.fmean(values) <= bound)
    if of("overload-106", OURS):
        values = [r["slo"] for r in of("overload-106", OURS)]
        yield ("overload-106: at least 90 % within objective", text(values, 2, 100) + " %",
               statistics.fmean(values) >= 0.9)
    for s in SETTLED:
        if of(s, OURS):
            runs = of(s, OURS)
            worst = [r["share_swing_worst"] for r in runs]
            yield (f"{s}: no server's share swings by more than 10 %",
                   f"worst {text(worst, 1, 100)} %, all {text((r['share_swing'] for r in runs), 1, 100)} %",
                   statistics.fmean(worst) <= 0.1)


def print_rows(of):
    """Returns how many are missed."""
    table = list(rows(of))
    if table:
        print("\n### Reach\n\n| goal | measured | |\n|---|---|---|")
    for goal, measured, is_met in table:
        print(f"| {goal} | {measured} | {'PASS' if is_met else 'FAIL'} |")
    return sum(not is_met for _, _, is_met in table)
