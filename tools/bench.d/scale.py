# SPDX-License-Identifier: Apache-2.0
"""Rows of tools/bench about change and scale: weights that change 256,000 times a second, whole
configurations that are replaced, and what it costs to hand packets from one worker to another."""
import json
import os
import statistics
import subprocess
import time

BUILD = "build/tests/bench"
TURN_MS = 400  # of each second at most 950 for SCHED_FIFO
REST_S = 0.2


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def mpps(run):
    return run["packets"] * 1e3 / run["cpu_ns"]


def progress(text):
    print(f"# {text}", flush=True)


class Sender:
    """Changes the subject's configuration from a process of its own, beside the main core. As the subject's own
    threads it comes before everything else that runs: a latency is not to tell who else was there."""

    def __init__(self, socket, services, backends, *what):
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", "chrt", "-f", "2", f"{BUILD}/bench_sender", socket, str(services), str(backends), *map(str, what)],
            stdout=subprocess.PIPE, text=True)

    def result(self):
        out, _ = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise SystemExit("bench: bench_sender failed")
        return json.loads(out)


def change(make_subject, directory, services, backends, what, pairs, ms):
    """Forwards in turn undisturbed and while the sender does what it is told."""
    socket = os.path.join(directory, "bench.sock")
    capture = os.path.join(directory, "capture.pcap")
    subject = make_subject("nat", "established", 100_000, capture,
                           [f"services={services}", f"backends={backends}", f"socket={socket}"])
    quiet, busy, sent = [], [], []
    try:
        subject.run(ms)
        for pair in range(pairs):
            time.sleep(REST_S)
            quiet.append(subject.run(ms))
            time.sleep(REST_S)
            sender = Sender(socket, services, backends, *what)
            busy.append(subject.run(ms + 20))
            sent.append(sender.result())
            progress(f"{what[0]}, pair {pair + 1} of {pairs}: {mpps(quiet[-1]):.2f} Mpps, "
                     f"{mpps(busy[-1]):.2f} meanwhile, {sent[-1]}")
        flows = subject.ask("check")
    finally:
        subject.close()
        os.unlink(capture)
    lost = sum(r["packets"] - r["sent"] for r in quiet + busy)
    return {"name": what[0], "services": services, "backends": services * backends, "pairs": pairs,
            "mpps": spread([mpps(r) for r in quiet]), "mpps_meanwhile": spread([mpps(r) for r in busy]),
            "throughput": spread([mpps(b) / mpps(q) for q, b in zip(quiet, busy)]),
            "packets": sum(r["packets"] for r in busy), "lost": lost, "moved": flows["moved"],
            "flows": flows["flows"], "sent": sent}


def of_all(sent, what):
    return {"p50": statistics.median([s[what]["p50"] for s in sent]),
            "p99": statistics.median([s[what]["p99"] for s in sent]),
            "worst_p99": max(s[what]["p99"] for s in sent), "max": max(s[what]["max"] for s in sent)}


def show_change(row):
    r = row["throughput"]
    print(f"{row['name']}: {row['services']} services, {row['backends']} backends, {row['flows']} flows: "
          f"throughput {r['median']:.3f} of undisturbed ({r['min']:.3f}..{r['max']:.3f}), "
          f"{row['lost']} of {row['packets']} packets lost, {row['moved']} flows moved", flush=True)


def storm(make_subject, directory, pairs):
    row = change(make_subject, directory, 256, 16, ("storm", 1000, TURN_MS), pairs, TURN_MS)
    row["update_us"] = of_all(row["sent"], "update_us")
    seconds = sum(s["seconds"] for s in row["sent"])
    row["updates_per_s"] = sum(s["updates"] for s in row["sent"]) / seconds
    row["messages_per_s"] = sum(s["messages"] for s in row["sent"]) / seconds
    show_change(row)
    u = row["update_us"]
    print(f"       {row['updates_per_s'] / 1e3:.0f} k updates/s in {row['messages_per_s']:.0f} messages/s; update to all "
          f"workers p50 {u['p50']:.0f} us, p99 {u['p99']:.0f} (worst pair {u['worst_p99']:.0f}), max {u['max']:.0f}   "
          f"p99 {'reached' if u['p99'] <= 1000 else 'above'} 1000", flush=True)
    return row


def reload(make_subject, directory, pairs):
    row = change(make_subject, directory, 1000, 10, ("reload", 8), pairs, TURN_MS)
    row["reload_us"] = of_all(row["sent"], "reload_us")
    show_change(row)
    print(f"       check, build and acknowledge: p50 {row['reload_us']['p50'] / 1e3:.1f} ms, max "
          f"{row['reload_us']['max'] / 1e3:.1f} ms   "
          f"{'reached' if row['reload_us']['max'] <= 5e6 else 'above'} 5 s", flush=True)
    return row


def cycles(run):
    """Of both workers together, per packet; turns without any packet do not count."""
    share = run["busy_cycles"] / (run["busy_cycles"] + run["idle_cycles"])
    return run["cpu_ns"] * run["tsc_hz"] / 1e9 * share / run["sent"]


def steering(make_subject, directory, flows, pairs):
    """One worker; two that receive only their own packets, only the other's, or both at random."""
    deals = ("one", "own", "handed", "mixed")
    subjects, runs = {}, {deal: [] for deal in deals}
    try:
        for deal in deals:
            subjects[deal] = make_subject("nat", "established", flows, os.path.join(directory, deal),
                                          [f"deal={deal}"])
            subjects[deal].run(100)
        for pair in range(pairs):
            for deal in deals:
                runs[deal].append(subjects[deal].run(100))
            progress(f"steering {flows}, round {pair + 1} of {pairs}: cycles a packet "
                     + ", ".join(f"{d} {cycles(runs[d][-1]):.0f}" for d in deals))
    finally:
        for subject in subjects.values():
            subject.close()
    row = {"name": f"steering {flows}", "pairs": pairs,
           "cycles": {d: spread([cycles(r) for r in runs[d]]) for d in deals},
           "handed": {d: statistics.median(r["handed"] / r["packets"] for r in runs[d]) for d in deals},
           "lost": sum(r["dropped"] for d in deals for r in runs[d]),
           "cost": spread([cycles(h) - cycles(o) for h, o in zip(runs["handed"], runs["own"])])}
    row["line"] = json.loads(subprocess.check_output([f"{BUILD}/bench_line"], text=True))
    hz = runs["own"][0]["tsc_hz"]
    c = row["cycles"]
    print(f"{row['name']}: cycles a packet: one worker {c['one']['median']:.0f}; two, own packets {c['own']['median']:.0f}, "
          f"all handed {c['handed']['median']:.0f}, half {c['mixed']['median']:.0f}; {row['lost']} lost")
    print(f"       a hand-over costs {row['cost']['median']:.0f} cycles ({row['cost']['min']:.0f}..{row['cost']['max']:.0f})   "
          f"{'reached' if row['cost']['median'] <= 60 else 'above'} 60; a cache line takes "
          f"{row['line']['one_way_cycles']:.0f} cycles from core to core")
    # What a packet costs does not depend on the number of workers, but for the share that is handed over;
    # what that costs is taken from the random half, whose branches nobody can predict.
    mixed = (c["mixed"]["median"] - c["own"]["median"]) / row["handed"]["mixed"]
    row["model_mpps"] = {n: n * hz / 1e6 / (c["own"]["median"] + (n - 1) / n * mixed) for n in (2, 3, 4)}
    print("       Mpps: measured one {:.1f}, two {:.1f} with own packets, {:.1f} with half handed; model own + (n - 1) / n x "
          "{:.0f}: 3 workers {:.1f}, 4 workers {:.1f}".format(
              hz / 1e6 / c["one"]["median"], 2 * hz / 1e6 / c["own"]["median"], 2 * hz / 1e6 / c["mixed"]["median"],
              mixed, row["model_mpps"][3], row["model_mpps"][4]), flush=True)
    return row
