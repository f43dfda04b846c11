# SPDX-License-Identifier: Apache-2.0
"""What tools/bench --wire reads from wrk and says about it; TAP."""
import os
import sys
import unittest

TESTS = os.path.join(os.path.dirname(__file__), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "..", "tools", "bench.d")]
import tap  # noqa: E402
from wire_report import ERRORS, complaints, parse_wrk, summarize, table  # noqa: E402

CLEAN = """\
Running 1s test @ http://203.0.113.10:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.71ms    2.13ms  24.51ms   88.33%
    Req/Sec    42.76k     9.30k   54.40k    70.00%
  Latency Distribution
     50%  570.00us
     75%    1.92ms
     90%    4.31ms
     99%    1.21s 
  42524 requests in 1.00s, 6.24MB read
Requests/sec:  42511.30
Transfer/sec:      6.24MB
"""
BROKEN = CLEAN.replace("Requests/sec", "  Socket errors: connect 1, read 22, write 3, timeout 4\n"
                       "  Non-2xx or 3xx responses: 5\nRequests/sec")
NONE = dict.fromkeys(ERRORS, 0)


def figures(per_s, **errors):
    return {"requests": per_s, "per_s": per_s, "p50_ms": 1.0, "p99_ms": 2.0, "errors": {**NONE, **errors}}


def both(per_s, **errors):
    return {"keep-alive": figures(per_s, **errors), "close": figures(per_s / 4)}


class WireReport(unittest.TestCase):
    def test_rates_and_percentiles_are_read_in_every_unit(self):
        self.assertEqual(parse_wrk(CLEAN), {"requests": 42524, "per_s": 42511.3, "p50_ms": 0.57, "p99_ms": 1210.0,
                                            "errors": NONE})

    def test_every_kind_of_error_is_read(self):
        self.assertEqual(parse_wrk(BROKEN)["errors"],
                         {"connect": 1, "read": 22, "write": 3, "timeout": 4, "status": 5})

    def test_words_that_are_no_report_are_refused(self):
        for text in ("", "unable to connect to 203.0.113.10:8000 Connection refused\n", CLEAN.replace("99%", "98%")):
            self.assertRaises(ValueError, parse_wrk, text)

    def test_the_ratio_is_to_the_yardstick_of_the_same_round(self):
        rounds = [{"testpmd io": both(100), "sluice": both(90)}, {"testpmd io": both(10), "sluice": both(11)}]
        ratio = summarize(rounds)["sluice"]["keep-alive"]["ratio"]
        self.assertEqual({k: round(v, 9) for k, v in ratio.items()}, {"median": 1.0, "min": 0.9, "max": 1.1})

    def test_a_round_without_the_yardstick_gives_rates_and_no_ratio(self):
        rounds = [{"sluice": both(90)}, {"testpmd io": both(10), "sluice": both(5)}]
        row = summarize(rounds)["sluice"]["keep-alive"]
        self.assertEqual((row["per_s"]["median"], row["ratio"]["max"]), (47.5, 0.5))
        self.assertIsNone(summarize(rounds[:1])["sluice"]["keep-alive"]["ratio"])

    def test_errors_of_all_rounds_are_added_up(self):
        rounds = [{"haproxy": both(90, read=2)}, {"haproxy": both(90, read=3, timeout=1)}]
        self.assertEqual(summarize(rounds)["haproxy"]["keep-alive"]["errors"], {**NONE, "read": 5, "timeout": 1})

    def test_the_table_has_a_row_for_each_contestant_and_load(self):
        summary = summarize([{"testpmd io": both(100), "sluice": both(90, read=7)}])
        lines = table(summary).splitlines()
        self.assertEqual(len(lines), 6)
        self.assertEqual(lines[2].split(), ["sluice", "90", "1.00", "2.00", "0.900", "0.90..0.90", "7"])
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})

    def test_a_clean_run_has_no_complaints(self):
        self.assertEqual(complaints(summarize([{"sluice": both(90)}]), [], ["sluice"], 1), [])

    def test_errors_failures_and_absence_are_complaints(self):
        summary = summarize([{"sluice": both(90, read=2)}])
        found = complaints(summary, [(1, "haproxy", "did not start")], ["sluice", "haproxy", "nftables"], 1)
        self.assertEqual([f.split(":")[0] for f in found], ["round 1, haproxy", "sluice, keep-alive",
                                                            "nftables, keep-alive", "nftables, close"])


if __name__ == "__main__":
    tap.main("bench:wire_report", WireReport)
