# SPDX-License-Identifier: Apache-2.0
"""What tools/demo --compare reads from the clients and says about it; TAP."""
import os
import sys
import unittest

TESTS = os.path.join(os.path.dirname(__file__), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "..", "tools", "demo.d")]
import tap  # noqa: E402
from compare_report import OURS, best_other, disturbed, figures_of, ratios, table, verdicts  # noqa: E402

OTHERS = ["haproxy leastconn", "nginx stream least_conn"]
NAMES = [OURS, *OTHERS]
REPORT = {
    "sent": 100, "ok": 98, "failed": 2, "errors": {"timeout": 2, "reset": 0}, "slo_attainment": 0.97,
    "ttft_ms": {"p50": 80.0, "p90": 200.0, "p99": 500.0}, "tpot_ms": {"p50": 20.0, "p90": 30.0, "p99": 40.0},
    "e2e_ms": {"p50": 4000.0, "p90": 9000.0, "p99": 15000.0},
    "backends": {"?": {"ok": 0, "failed": 2}, "s0": {"ok": 49}, "s1": {"ok": 24}, "s2": {"ok": 25}}}


def figures(ttft_p99, failed=0, **others):
    return {"sent": 1000, "ok": 1000 - failed, "failed": failed, "ttft_p50": 0.1, "ttft_p99": ttft_p99,
            "e2e_p99": 15.0, "slo": 0.99, "loaded_share": 0.4, "cpu_wait_ms": 0.2, **others}


def a_round(ours, *others):
    return {OURS: figures(ours), **{n: figures(p) for n, p in zip(OTHERS, others)}}


class CompareReport(unittest.TestCase):
    def test_a_report_is_read_in_seconds_and_shares(self):
        self.assertEqual(figures_of(REPORT, ["s1", "s2"]), {
            "sent": 100, "ok": 98, "failed": 2, "errors": {"timeout": 2}, "ttft_p50": 0.08, "ttft_p99": 0.5,
            "e2e_p99": 15.0, "tpot_p99": 0.04, "slo": 0.97, "loaded_share": 0.5})

    def test_a_report_without_answers_has_no_figures(self):
        nothing = {"p50": None, "p90": None, "p99": None}
        read = figures_of({**REPORT, "ttft_ms": nothing, "e2e_ms": nothing, "tpot_ms": nothing, "backends": {}}, ["s1"])
        self.assertEqual((read["ttft_p99"], read["e2e_p99"], read["loaded_share"]), (None, None, None))

    def test_the_best_other_one_is_never_ours(self):
        self.assertEqual(best_other(a_round(0.1, 0.9, 0.7), NAMES), (0.7, OTHERS[1]))
        self.assertIsNone(best_other({OURS: figures(0.1)}, NAMES))

    def test_ratios_are_to_the_best_other_one_of_the_same_round(self):
        found = ratios([a_round(0.5, 1.0, 2.0), a_round(0.5, 4.0, 2.0)], NAMES)
        self.assertEqual(found, [(0.5, OTHERS[0]), (0.25, OTHERS[1])])

    def test_a_round_without_ours_or_without_others_gives_no_ratio(self):
        self.assertEqual(ratios([{OTHERS[0]: figures(1.0)}, {OURS: figures(1.0)}, a_round(None, 1.0)], NAMES), [])

    def test_the_table_shows_medians_and_sums(self):
        lines = table([a_round(0.4, 1.0, 2.0), a_round(0.5, 1.0, 2.0), a_round(0.9, 1.0, 2.0)], NAMES).splitlines()
        self.assertEqual(lines[1].split(), ["sluice", "adaptive", "0.100", "0.50", "0.50", "15.00", "99.0", "40.0",
                                            "3000", "0"])
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})

    def test_who_never_ran_has_a_row_without_figures(self):
        lines = table([{OURS: figures(0.4)}], NAMES).splitlines()
        self.assertEqual(lines[2].split()[2:], ["-"] * 6 + ["0", "0"])

    def test_the_reach_is_met_at_the_median_of_the_rounds(self):
        for ours, is_met in (((0.7, 0.7, 9.0), True), ((0.71, 0.71, 0.1), False)):
            rows = verdicts([a_round(p, 1.0, 2.0) for p in ours], NAMES, [], True)
            self.assertEqual([passed for passed, _ in rows], [True, is_met])

    def test_a_short_run_is_not_judged_by_the_reach(self):
        self.assertEqual([p for p, _ in verdicts([a_round(9.0, 1.0, 1.0)], NAMES, [], False)], [True])

    def test_turns_without_enough_cpu_are_named(self):
        calm, busy = figures(1.0), figures(1.0, cpu_wait_ms=1.5)
        self.assertEqual(disturbed([{OURS: calm, OTHERS[0]: calm}, {OURS: busy, OTHERS[0]: calm}]), [(2, OURS, 1.5)])

    def test_an_error_through_ours_fails_and_one_through_others_does_not(self):
        ours = [{OURS: figures(0.1, failed=1), OTHERS[0]: figures(1.0)}]
        others = [{OURS: figures(0.1), OTHERS[0]: figures(1.0, failed=1)}]
        self.assertEqual([p for p, _ in verdicts(ours, NAMES, [], True)], [False, True])
        self.assertEqual([p for p, _ in verdicts(others, NAMES, [], True)], [True, True])

    def test_a_turn_that_failed_and_a_run_without_ours_fail(self):
        rows = verdicts([{OTHERS[0]: figures(1.0)}], NAMES, [(1, OURS, "did not start")], True)
        self.assertEqual([p for p, _ in rows], [False, False, False])


if __name__ == "__main__":
    tap.main("bench:compare_report", CompareReport)
