# SPDX-License-Identifier: Apache-2.0
"""The scripted run: what happens when, and what must then be seen. Times are seconds of load."""
import time

from net import SERVERS
from plant import POOLS

FAIR = 1 / len(SERVERS)
SLOW, VICTIM = "g2", "g4"
SLOW_AT, SLOW_JUDGED_S = 7, 10
HEAL_AT, HEAL_JUDGED_S = 17, 12
CRASH_AT = 29
KILL_AT, KILL_QUIET_S = 34, 3
END_AT = 40
WINDOW_S = 3
# A request sent to the victim just before is cut at its death; one sent after meets a closed port
# until the third probe has failed. The clients' lines are one second wide.
KILL_ECHO_S = KILL_QUIET_S + 1
MIN_REQUESTS = 1000
# Slowed and then healed, a server counts as back at three quarters of its fair share.
BACK = 0.75 * FAIR


class Script:
    """Steps are called by the main loop when their time has come; judge() looks back at all."""

    def __init__(self, plant, watch):
        self.plant, self.watch = plant, watch
        self.at = {}
        self.crash_before = None
        self.steps = [
            (SLOW_AT, f"{SLOW} becomes 5x slower", self.slow),
            (HEAL_AT, f"{SLOW} is as fast as before", self.heal),
            (CRASH_AT, "kill -9 of sluice-control", self.crash),
            (KILL_AT, f"{VICTIM} is killed", self.kill),
        ]

    def step(self):
        """Runs at most one step that is due; its words, or None."""
        if self.steps and self.watch.now_s() >= self.steps[0][0]:
            _, words, act = self.steps.pop(0)
            act()
            return words
        return None

    def is_over(self):
        return self.watch.now_s() >= END_AT

    def slow(self):
        self.plant.set_slow(SLOW, 5)
        self.at["slow"] = self.watch.now_s()

    def heal(self):
        self.plant.set_slow(SLOW, 1)
        self.at["heal"] = self.watch.now_s()

    def crash(self):
        self.crash_before = self.watch.take()
        self.at["crash"] = self.watch.now_s()
        self.plant.crash_control()

    def kill(self):
        self.at["kill"] = self.watch.now_s()
        self.plant.kill_server(VICTIM)

    # --- looking back ---

    def failures(self):
        """Failed requests as (second, server name, number); "?" when none had answered yet."""
        rows = []
        for pool in POOLS:
            for line in self.plant.live(pool):
                named = {n: b.get("failed", 0) for n, b in line.get("backends", {}).items()}
                rows += [(line["t"], name, n) for name, n in named.items() if n]
        return rows

    def judge(self):
        """Rows (name, passed, words, figures), one for each promise."""
        totals = [self.plant.load_totals(pool) for pool in POOLS]
        failures = self.failures()
        return [
            self._requests(totals, failures), self._slowed(), self._healed(),
            self._crash(failures), self._killed(), self._bystanders(totals, failures)]

    def _by_victim(self, failure):
        second, name, _ = failure
        kill = self.at["kill"]
        return name in (VICTIM, "?") and kill - 1 <= second <= kill + KILL_ECHO_S + 1

    def _requests(self, totals, failures):
        sent = sum(t["sent"] for t in totals)
        ok = sum(t["ok"] for t in totals)
        blamed = sum(f[2] for f in failures if self._by_victim(f))
        failed = sum(t["failed"] for t in totals) - blamed
        return ("streaming requests through the appliance", sent >= MIN_REQUESTS and failed == 0,
                f"{sent} sent, {ok} complete, {failed} failed (without the {blamed} of the killed server)",
                {"sent": sent, "ok": ok, "failed": failed, "failed_by_killed_server": blamed})

    def _slowed(self):
        at = self.at["slow"] + SLOW_JUDGED_S
        share = self.watch.share(SLOW, at - WINDOW_S, at)
        return (f"{SLOW}, 5x slower, gets less than half its fair share",
                share is not None and share < FAIR / 2,
                f"{100 * (share or 0):.1f} % of new connections, {SLOW_JUDGED_S} s later (fair: 25 %)",
                {"share": share, "fair": FAIR})

    def _healed(self):
        at = self.at["heal"] + HEAL_JUDGED_S
        share = self.watch.share(SLOW, at - WINDOW_S, at)
        return (f"{SLOW}, fast again, returns", share is not None and share > BACK,
                f"{100 * (share or 0):.1f} % of new connections, {HEAL_JUDGED_S} s later",
                {"share": share})

    def _crash(self, failures):
        before, at = self.crash_before, self.at["crash"]
        back = next((s for s in self.watch.samples if s.at_s > at + 0.1 and s.status and
                     s.status["dataplane"]["connected"] and s.status["dataplane"]["epoch_acked"] >
                     before.status["dataplane"]["epoch_acked"]), None)
        name = "kill -9 of sluice-control loses no packet, and it re-attaches"
        if back is None:
            return (name, False, "it did not come back", {})
        old, new = before.status["dataplane"], back.status["dataplane"]
        lost = back.lost_packets() - before.lost_packets()
        forwarded = new["tx_packets_total"] - old["tx_packets_total"]
        failed = sum(n for second, _, n in failures if at - 1 <= second <= back.at_s + 1)
        passed = lost == 0 and failed == 0 and forwarded > 0 and new["instance"] == old["instance"]
        return (name, passed and self.plant.control_starts > 1,
                f"back after {back.at_s - at:.1f} s; {forwarded} packets forwarded meanwhile, {lost} lost; "
                f"{failed} requests failed",
                {"reattached_s": back.at_s - at, "forwarded": forwarded, "lost": lost, "failed": failed})

    def _killed(self):
        at = self.at["kill"]
        window = self.watch.between(at, END_AT + 5)
        counts = [(s.at_s, s.rows[VICTIM].new_total) for s in window]
        last = max((s for (_, a), (s, b) in zip(counts, counts[1:]) if b > a), default=None)
        seen_s = counts[-1][0] - at if counts else 0
        passed = seen_s > KILL_QUIET_S + 1 and (last is None or last - at <= KILL_QUIET_S)
        words = "none" if last is None else f"the last {last - at:.1f} s after its death"
        return (f"{VICTIM}, killed, gets no new connection after {KILL_QUIET_S} s", passed,
                f"{words}; watched for {seen_s:.1f} s",
                {"last_new_s": None if last is None else last - at, "watched_s": seen_s})

    def _bystanders(self, totals, failures):
        at = self.at["kill"]
        others = sum(n for second, name, n in failures
                     if second >= at - 1 and not self._by_victim((second, name, n)))
        served = sum(b["ok"] for t in totals for name, b in t["backends"].items() if name != VICTIM)
        return ("connections to the other servers do not fail", others == 0,
                f"{others} failed of {served} that reached them", {"failed": others, "served": served})


def wait_for_end(plant, timeout_s=15):
    """The clients end by themselves when the last answer is in."""
    deadline = time.monotonic() + timeout_s
    for pool in POOLS:
        proc = plant.procs[f"load-{pool}"]
        while proc.poll() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the client of {pool} does not end\n{plant.log_tail('load-' + pool)}")
            time.sleep(0.1)
