# SPDX-License-Identifier: Apache-2.0
"""The live table, as lines of text: curses and plain output print the same ones."""
from net import SERVERS

BAR_CELLS = 24
EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(part):
    """part 0..1 as a bar of whole and eighth cells."""
    eighths = round(max(0.0, min(1.0, part)) * BAR_CELLS * 8)
    text = "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
    return text.ljust(BAR_CELLS)


def milliseconds(value):
    return "-" if value is None else f"{value:.0f} ms"


def note(name, row, plant):
    if name in plant.dead:
        return "killed"
    if name in plant.slowed:
        return "slowed 5x"
    return "" if row.state == "up" or not row.reason or row.reason == "ok" else row.reason


def table(sample, plant):
    lines = [f"{'server':<8}{'state':<12}{'weight':<{BAR_CELLS + 6}}{'new/s':>7}{'in flight':>11}"
             f"{'TTFT p50':>11}{'p99':>10}  "]
    most = max((row.weight for row in sample.rows.values()), default=0) or 1
    for name in SERVERS:
        row = sample.rows.get(name)
        if row is None:
            lines.append(f"{name:<8}(control does not answer; the data plane keeps its last weights)")
            continue
        lines.append(f"{name:<8}{row.state:<12}{bar(row.weight / most)} {row.weight:>4.0f} "
                     f"{row.new_per_second:>7.1f}{row.flows:>11}{milliseconds(row.ttft_p50):>11}"
                     f"{milliseconds(row.ttft_p99):>10}  {note(name, row, plant)}")
    return lines


def totals(sample, plant):
    counts = sample.totals()
    text = (f"requests: {counts['sent']} sent, {counts['ok']} ok, {counts['failed']} failed, "
            f"{sample.in_flight()} in flight")
    if sample.status:
        dataplane = sample.status["dataplane"]
        text += (f" | packets: {dataplane['rx_packets_total']} in, {dataplane['tx_packets_total']} out, "
                 f"{sample.lost_packets()} lost | epoch {dataplane['epoch_acked']}")
    if plant.control_starts > 1:
        text += f" | control started {plant.control_starts} times"
    return text


def screen(sample, plant, footer):
    return [f"Sluice demo: 4 GPU servers behind {plant.device}, after {sample.at_s:.0f} s", "",
            *table(sample, plant), "", totals(sample, plant), "", footer]
