# SPDX-License-Identifier: Apache-2.0
"""Sluice demo; called by tools/demo, which builds first."""
import argparse
import curses
import json
import os
import signal
import sys
import time

import view
from net import SERVERS
from plant import POOLS, Plant
from script import END_AT, Script, wait_for_end
from watch import Watch

RATES = {"chat": 30, "chat6": 10}
KEYS = "1-4 slow a server 5x or back, k kill g4 or start it again, c crash control, q quit"
PLAIN_PERIOD_S = 5
FOREVER_S = 86400


def progress(text):
    print(f"demo: {text}", flush=True)


def set_up(plant, device):
    progress("network: client, appliance, 4 servers in namespaces " + plant.net.prefix + "-*")
    plant.net.build()
    for name in SERVERS:
        plant.start_server(name)
    plant.start_dataplane([device] if device else ["af_xdp", "af_packet"])
    if plant.fallback_reason:
        progress(plant.fallback_reason)
    progress(f"data plane forwards on {plant.device}")
    plant.start_control()
    plant.wait_until("control", lambda: plant.api("/api/v1/status") is not None, "dataplane")
    plant.wait_until("all servers up", plant.has_all_up, "dataplane")
    progress("control probes, all servers are up")


def start_clients(plant, duration_s):
    for pool, rate in RATES.items():
        plant.start_load(pool, rate, duration_s)
    watch = Watch(plant)
    watch.start()
    return watch


def on_key(plant, key):
    """False when the key means the end."""
    if key == "q":
        return False
    if key in ("1", "2", "3", "4"):
        name = f"g{key}"
        if name not in plant.dead:
            plant.set_slow(name, 1 if name in plant.slowed else 5)
    elif key == "k":
        (plant.start_server if "g4" in plant.dead else plant.kill_server)("g4")
    elif key == "c":
        plant.crash_control()
    return True


def run_curses(window, plant, watch, script):
    curses.curs_set(0)
    window.timeout(200)
    footer = KEYS if script is None else "scripted run of 40 s, q quit"
    while script is None or not script.is_over():
        words = script.step() if script else None
        footer = f"{watch.now_s():.0f} s: {words}" if words else footer
        window.erase()
        height, width = window.getmaxyx()
        for y, line in enumerate(view.screen(watch.newest(), plant, footer)[:height]):
            window.addnstr(y, 0, line, width - 1)
        window.refresh()
        code = window.getch()
        if code == -1:
            continue
        key = chr(code) if code < 256 else ""
        # The script's run keeps its servers to itself: only leaving is allowed.
        if key == "q" or (script is None and not on_key(plant, key)):
            return False
    return True


def run_plain(plant, watch, script):
    printed_s = 0.0
    while script is None or not script.is_over():
        words = script.step() if script else None
        if words:
            print(f"\n--- {watch.now_s():.0f} s: {words}", flush=True)
        if watch.now_s() - printed_s >= PLAIN_PERIOD_S:
            printed_s = watch.now_s()
            print("\n" + "\n".join(view.screen(watch.newest(), plant, "")[:-1]), flush=True)
        time.sleep(0.1)
    return True


def run(plant, watch, script):
    if sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return curses.wrapper(run_curses, plant, watch, script)
    return run_plain(plant, watch, script)


def report(rows):
    print()
    for name, passed, words, _ in rows:
        print(f"{'PASS' if passed else 'FAIL'}  {name}: {words}")
    sys.stdout.flush()


def write_json(path, plant, watch, rows):
    figures = {
        "device": plant.device, "fallback": plant.fallback_reason, "control_starts": plant.control_starts,
        "rows": [{"name": n, "pass": p, "text": t, "figures": f} for n, p, t, f in rows],
        "clients": {pool: plant.load_totals(pool) for pool in POOLS},
        "samples": [{"t": s.at_s, "dataplane": s.status and s.status["dataplane"],
                     "servers": {n: vars(r) for n, r in s.rows.items()}} for s in watch.samples]}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(figures, f, indent=1)
        f.write("\n")


def run_once(plant, json_path):
    watch = start_clients(plant, END_AT)
    script = Script(plant, watch)
    try:
        if not run(plant, watch, script):
            progress("left before the end: nothing is judged")
            return 1
        progress("waiting for the last answers")
        wait_for_end(plant)
    finally:
        watch.stop()
    rows = script.judge()
    report(rows)
    if json_path:
        write_json(json_path, plant, watch, rows)
    return 0 if all(passed for _, passed, _, _ in rows) else 1


def run_live(plant):
    watch = start_clients(plant, FOREVER_S)
    try:
        run(plant, watch, None)
    finally:
        watch.stop()
    return 0


def end_on_signal(number, _frame):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="a scripted 40 s that judges itself")
    parser.add_argument("--json", metavar="FILE", help="with --once: every figure")
    parser.add_argument("--device", choices=("af_xdp", "af_packet"), help="do not try the other one")
    options = parser.parse_args()
    json_path = os.path.abspath(options.json) if options.json else None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_on_signal)
    plant = Plant()
    try:
        set_up(plant, options.device)
        return run_once(plant, json_path) if options.once else run_live(plant)
    except RuntimeError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        # A second Ctrl-C must not leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        plant.stop()


if __name__ == "__main__":
    sys.exit(main())
