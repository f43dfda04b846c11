# SPDX-License-Identifier: Apache-2.0
"""tools/demo --compare --quick: every contestant answers, and nothing stays behind; TAP."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import tap  # noqa: E402

COMPARE = ["/usr/bin/python3", os.path.join(TESTS, "..", "tools", "demo.d", "compare.py"), "--compare", "--quick"]
NEEDED = (shutil.which("haproxy"), shutil.which("nginx"),
          os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so"))
CONTESTANTS = {"sluice adaptive", "sluice least-connections", "haproxy leastconn", "haproxy roundrobin",
               "nginx stream least_conn"}
WAIT_S = 200  # a guard, not a wait


def left_by(pid):
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return ([line for line in names.splitlines() if line.startswith(f"slc{pid}-")] +
            glob.glob(os.path.join(tempfile.gettempdir(), f"sluice-slc-{pid}-*")))


class Compare(unittest.TestCase):
    def test_every_contestant_answers_every_request(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "figures.json")
            done = subprocess.run([*COMPARE, "--json", path], capture_output=True, text=True, timeout=WAIT_S, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(path, encoding="utf-8") as f:
                figures = json.load(f)["rounds"][0]
        self.assertEqual(set(figures), CONTESTANTS)
        for name, one in figures.items():
            self.assertEqual((one["ok"] == one["sent"] > 0, one["failed"]), (True, 0), name)
        # The same requests for all.
        self.assertEqual(len({one["sent"] for one in figures.values()}), 1)

    def test_an_interrupted_run_leaves_nothing_behind(self):
        run = subprocess.Popen(COMPARE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + WAIT_S
            while not any("-srv" in name for name in left_by(run.pid)) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertNotEqual(left_by(run.pid), [])
            run.send_signal(signal.SIGINT)
            self.assertEqual(run.wait(timeout=WAIT_S), 128 + signal.SIGINT)
            self.assertEqual(left_by(run.pid), [])
        finally:
            run.kill()
            run.wait()


if __name__ == "__main__":
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2 or not all(NEEDED):
        print("1..0 # SKIP needs root, two CPUs, and haproxy and nginx's stream module (tools/install-deps peers)")
        sys.exit(0)
    tap.main("wire:compare", Compare)
