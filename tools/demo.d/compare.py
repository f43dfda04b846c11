# SPDX-License-Identifier: Apache-2.0
"""tools/demo --compare: the same servers and the same requests through Sluice and other balancers.

Half of the servers work for others as well, whom no balancer sees. Contestants take turns, each in a
network of its own; within a round all get the same requests at the same times.
"""
import argparse
import dataclasses
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib.d"))
import peers  # noqa: E402
from compare_report import disturbed, figures_of, table, verdicts  # noqa: E402
from lab import PORT, Lab, end_on_signal, rotated, sweep_dead_runs  # noqa: E402
from machine import machine  # noqa: E402

PREFIX = "slc"
SIM = f"{peers.BUILD}/tools/sim/sluice-sim"
CONTESTANTS = {
    "sluice adaptive": lambda lab: peers.start_sluice(lab, "balance: adaptive", "sleep"),
    "sluice least-connections": lambda lab: peers.start_sluice(lab, "balance: least-connections", "sleep"),
    "haproxy leastconn": lambda lab: peers.start_haproxy(lab, "leastconn"),
    "haproxy roundrobin": lambda lab: peers.start_haproxy(lab, "roundrobin"),
    "nginx stream least_conn": lambda lab: peers.start_nginx(lab, "least_conn;"),
}
SLOTS = 128
DRAIN_S = 30  # how long sluice-sim load waits for the last answers
LONG_S = 86400
TRACE_LINES = 16384
# Lengths in tokens, log-normal: share, mean and deviation of the prompt, then of the answer. As in the
# simulator (tests/sim): conversations and code, after the Azure LLM inference trace 2023.
KINDS = ((0.7, (1155, 0.636), (211, 0.505)), (0.3, (2048, 0.644), (28, 1.318)))
TOKENS_MAX = 16384


@dataclasses.dataclass(frozen=True)
class Setting:
    """Scenario S3 of the simulator (tests/sim)."""
    n_servers: int = 16
    rate: float = 90.2        # requests per second through the balancer
    rate_spread: float = 0.15
    hidden_rate: float = 5.0  # behind its back, at each server of the second half
    warm_s: float = 12        # before anything counts
    count_s: float = 50
    n_rounds: int = 3
    answers: float = 1.0      # factor of their length


QUICK = Setting(n_servers=4, rate=20.0, hidden_rate=4.0, warm_s=0.5, count_s=2, n_rounds=1, answers=0.1)


def progress(text):
    print(f"# {text}", flush=True)


def write_trace(lab, name, seed, setting):
    source = random.Random(seed)

    def length(mean, deviation):
        return round(min(max(mean * source.lognormvariate(-deviation ** 2 / 2, deviation), 1), TOKENS_MAX))

    lines = []
    for _ in range(TRACE_LINES):
        _, prompt, answer = KINDS[0] if source.random() < KINDS[0][0] else KINDS[1]
        lines.append(f"{length(*prompt)} {length(answer[0] * setting.answers, answer[1])}\n")
    return lab.write(f"{name}.trace", "".join(lines))


class CompareLab(Lab):
    def __init__(self, cpus, setting):
        super().__init__(PREFIX, *cpus, setting.n_servers)
        self.setting = setting
        self.loaded = [f"s{n}" for n in range(setting.n_servers // 2, setting.n_servers)]

    def start_servers(self):
        for n, address in enumerate(self.backends):
            self.start(f"s{n}", "srv", self.other_cpu, SIM, "server", "--listen", f"{address}:{PORT}", "--name", f"s{n}",
                       "--slots", str(SLOTS), "--seed", str(n + 1))

    def load(self, name, part, address, rates, seconds, seed):
        rate, spread = rates
        self.start(name, part, self.other_cpu, SIM, "load", "--target", f"{address}:{PORT}", "--rate", str(rate),
                   "--rate-spread", str(spread), "--duration", f"{seconds:g}s", "--connections", "per-request",
                   "--seed", str(seed), "--trace", write_trace(self, name, seed, self.setting), "--json", f"{self.dir}/{name}.json")

    def start_hidden(self, seed):
        for name in self.loaded:
            n = int(name[1:])
            self.load(f"hidden-{name}", "srv", self.backends[n], (self.setting.hidden_rate, 0), LONG_S, seed + 1 + n)

    def measure(self, seed):
        """The requests that count begin when those that warm up have all been sent, not answered."""
        rates = (self.setting.rate, self.setting.rate_spread)
        self.load("warm", "cli", self.target, rates, self.setting.warm_s, seed + 100)
        time.sleep(self.setting.warm_s)
        self.load("load", "cli", self.target, rates, self.setting.count_s, seed)
        self.wait_end("warm", self.setting.warm_s + DRAIN_S)
        self.wait_end("load", self.setting.count_s + 2 * DRAIN_S)
        self.check_alive()
        with open(f"{self.dir}/load.json", encoding="utf-8") as f:
            return {**figures_of(json.load(f), self.loaded), "cpu_wait_ms": self.cpu_wait_ms(),
                    "machine_load": os.getloadavg()[0]}

    def cpu_wait_ms(self):
        """How long a server that wants the CPU waits for it, on average: above some ms the machine is measured."""
        waited_ns = times = 0
        for n in range(self.setting.n_servers):
            with open(f"/proc/{self.procs[f's{n}'].pid}/schedstat", encoding="ascii") as f:
                _, delay_ns, turns = map(int, f.read().split())
            waited_ns, times = waited_ns + delay_ns, times + turns
        return waited_ns / times / 1e6 if times else 0.0


def turn(name, seed, cpus, setting):
    lab = CompareLab(cpus, setting)
    try:
        lab.build()
        lab.start_servers()
        CONTESTANTS[name](lab)
        lab.wait_ready("/v1/models", '"sluice-sim"')
        lab.start_hidden(seed)
        return lab.measure(seed)
    finally:
        lab.stop()


def words(figures):
    def text(value, unit=1.0, digits=2):
        return "-" if value is None else f"{unit * value:.{digits}f}"

    return (f"TTFT p50 {text(figures['ttft_p50'], digits=3)} p99 {text(figures['ttft_p99'])} s, "
            f"E2E p99 {text(figures['e2e_p99'])} s, SLO {text(figures['slo'], 100, 1)} %, "
            f"{text(figures['loaded_share'], 100, 1)} % to loaded servers, {figures['sent']} requests, "
            f"{figures['failed']} errors, machine load {figures['machine_load']:.1f}, servers wait "
            f"{figures['cpu_wait_ms']:.2f} ms for the CPU")


def run_rounds(names, first_seed, cpus, setting):
    rounds, failures = [], []
    for number in range(setting.n_rounds):
        rounds.append({})
        for name in rotated(names, number):
            head = f"round {number + 1}/{setting.n_rounds}  {name:<26}"
            try:
                # Servers and hidden requests have seeds near it: rounds are far apart.
                rounds[-1][name] = turn(name, first_seed + 1000 * number, cpus, setting)
            except (RuntimeError, ValueError, OSError) as error:
                failures.append((number + 1, name, str(error)))
                progress(f"{head}failed: {error}")
                continue
            progress(head + words(rounds[-1][name]))
    return rounds, failures


def setting_of(args):
    setting = QUICK if args.quick else Setting()
    asked = {"n_rounds": args.rounds, "count_s": args.seconds}
    return dataclasses.replace(setting, **{key: value for key, value in asked.items() if value})


def main():
    args = argparse.ArgumentParser(prog="tools/demo --compare")
    args.add_argument("--compare", action="store_true", help=argparse.SUPPRESS)  # chose this program
    args.add_argument("--quick", action="store_true", help="half a minute: does everybody run?")
    args.add_argument("--json", metavar="FILE")
    args.add_argument("--only", default="", help="contestants whose name contains this")
    args.add_argument("--rounds", type=int, default=0)
    args.add_argument("--seconds", type=float, default=0, help="of each turn that count")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("demo: --compare needs two CPUs: one for the balancer, one for the rest")
    setting, names = setting_of(args), [n for n in CONTESTANTS if args.only in n]
    end_on_signal()
    sweep_dead_runs(PREFIX)
    about = machine()
    progress("{cpu}, {cpus} cpus, {git}, load {load:.1f}, kernel {kernel}".format(kernel=os.uname().release, **about))
    progress(f"balancer on cpu {cpus[-1]}, {setting.n_servers} servers and clients on cpu {cpus[0]}; {setting.rate:g} "
             f"requests/s, {setting.hidden_rate:g}/s behind its back at each of the last {setting.n_servers // 2}; "
             f"{setting.n_rounds} rounds of {setting.count_s:g} s after {setting.warm_s:g} s")
    started = time.monotonic()
    rounds, failures = run_rounds(names, args.seed, (str(cpus[-1]), str(cpus[0])), setting)
    progress(f"medians of the rounds, took {time.monotonic() - started:.0f} s")
    print(table(rounds, names))
    for number, name, wait_ms in disturbed(rounds):
        progress(f"round {number}, {name}: servers waited {wait_ms:.1f} ms for the CPU; the figures are the machine's, "
                 "see tools/README.md")
    rows = verdicts(rounds, names, failures, not args.quick)
    for passed, text in rows:
        print(f"{'PASS' if passed else 'FAIL'}  {text}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"machine": about, "setting": dataclasses.asdict(setting), "rounds": rounds,
                       "verdicts": [{"pass": p, "text": t} for p, t in rows]}, f, indent=1)
            f.write("\n")
    return 0 if all(passed for passed, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
