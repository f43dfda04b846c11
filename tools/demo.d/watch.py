# SPDX-License-Identifier: Apache-2.0
"""What the demo knows at a moment: the appliance's own figures and the clients' view, put together."""
import threading
import time

from net import SERVERS
from plant import POOLS

PERIOD_S = 0.25
# Drops of packets that belong to no connection of a client: ARP and ND, other people's traffic.
HARMLESS_DROPS = {"consumed", "not_for_us"}
# af_packet shows us the kernel's own traffic too: the answers to control's probes have no flow.
HARMLESS_BESIDE_KERNEL = {"no_flow"}
# Worst first: one server stands in two pools.
STATES = ("down", "maint", "drain", "unknown", "slow_start", "up")


class Row:
    """One server, summed over the IPv4 and the IPv6 pool."""

    def __init__(self, name):
        self.name = name
        self.state, self.reason = "up", None
        self.weight = self.share = self.new_per_second = 0.0
        self.flows = self.new_total = self.refused_total = 0
        self.ttft_p50 = self.ttft_p99 = None

    def add_backend(self, backend):
        if STATES.index(backend["state"]) < STATES.index(self.state):
            self.state, self.reason = backend["state"], backend["reason"]
        self.weight += backend["weight_effective"] / len(POOLS)
        self.share += backend["share"] / len(POOLS)
        self.new_per_second += backend["new_flows_per_second"]
        self.flows += backend["flows"]
        self.new_total += backend["flows_new_total"]
        self.refused_total += backend["refused_total"]

    def add_ttft(self, ttft):
        if ttft.get("p50") is not None:
            self.ttft_p50 = max(self.ttft_p50 or 0, ttft["p50"])
            self.ttft_p99 = max(self.ttft_p99 or 0, ttft["p99"])


class Sample:
    def __init__(self, at_s, status, rows, live):
        self.at_s = at_s
        self.status = status  # None while control is away
        self.rows = rows      # by server name; {} while control is away
        self.live = live      # newest line by pool

    def totals(self):
        """sent, ok, failed of both clients so far."""
        totals = [line.get("total", {}) for line in self.live.values()]
        return {k: sum(t.get(k, 0) for t in totals) for k in ("sent", "ok", "failed")}

    def in_flight(self):
        return sum(line.get("in_flight", 0) for line in self.live.values())

    def lost_packets(self):
        dataplane = self.status["dataplane"]
        harmless = set(HARMLESS_DROPS)
        if any(port["device"].startswith("af_packet") for port in dataplane["ports"]):
            harmless |= HARMLESS_BESIDE_KERNEL
        return sum(n for reason, n in dataplane["drops"].items() if reason not in harmless)


class Watch:
    """Samples four times a second in a thread of its own; readers take the newest or the series."""

    def __init__(self, plant):
        self.plant = plant
        self.start_s = time.monotonic()
        self.samples = []
        self.stop_event = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        self.stop_event.set()
        if self.thread.is_alive():
            self.thread.join(timeout=3)

    def now_s(self):
        return time.monotonic() - self.start_s

    def _loop(self):
        while not self.stop_event.wait(PERIOD_S):
            self.samples.append(self.take())

    def take(self):
        at_s = self.now_s()
        status = self.plant.api("/api/v1/status")
        pools = [self.plant.api(f"/api/v1/pools/{pool}") for pool in POOLS] if status else [None]
        live = {pool: lines[-1] for pool in POOLS if (lines := self.plant.live(pool))}
        if None in pools:
            return Sample(at_s, None, {}, live)
        rows = {name: Row(name) for name in SERVERS}
        for pool in pools:
            for backend in pool["backends"]:
                rows[backend["name"]].add_backend(backend)
        for line in live.values():
            for name, figures in line.get("backends", {}).items():
                if name in rows:
                    rows[name].add_ttft(figures.get("ttft_ms", {}))
        return Sample(at_s, status, rows, live)

    def newest(self):
        return self.samples[-1] if self.samples else self.take()

    def between(self, from_s, to_s):
        """Samples of a window in which control answered."""
        return [s for s in self.samples if from_s <= s.at_s <= to_s and s.rows]

    def new_flows(self, name, from_s, to_s):
        """New connections the appliance gave a server within the window, by its counter."""
        window = self.between(from_s, to_s)
        return window[-1].rows[name].new_total - window[0].rows[name].new_total if window else 0

    def share(self, name, from_s, to_s):
        """Its part of all new connections of the window; None without any."""
        total = sum(self.new_flows(n, from_s, to_s) for n in SERVERS)
        return self.new_flows(name, from_s, to_s) / total if total else None
