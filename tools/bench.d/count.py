# SPDX-License-Identifier: Apache-2.0
"""Instructions per packet, by callgrind: repeatable to the last digit on one compiler.

count.py BENCH_COUNT BASELINE             TAP: no figure more than 2 % above the committed one
count.py BENCH_COUNT BASELINE --update    writes the baseline
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile

CASES = ["nat-v4", "nat-v6", "dsr-v4", "ipip-v4", "stream", "connection"]
ALLOWED = 0.02


def count(program, case):
    """(instructions, packets) inside measured_pass."""
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=measured_pass",
             f"--callgrind-out-file={out.name}", program, case], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"{case}: {run.stderr.strip()[-2000:]}")
        with open(out.name, encoding="ascii") as f:
            total = next(int(m[1]) for line in f if (m := re.match(r"(?:summary|totals): (\d+)", line)))
    return total, int(run.stdout)


def instructions(program):
    if shutil.which("valgrind") is None:
        return {}
    counts = {case: count(program, case) for case in CASES}
    return {case: round(total / packets, 2) for case, (total, packets) in counts.items()}


def main():
    program, baseline_path = sys.argv[1:3]
    if shutil.which("valgrind") is None:
        print("1..0 # SKIP valgrind is not installed (tools/install-deps brings it)")
        return 0
    if "--update" in sys.argv:
        with open(baseline_path, "w", encoding="ascii") as f:
            json.dump(instructions(program), f, indent=1)
            f.write("\n")
        return 0
    with open(baseline_path, encoding="ascii") as f:
        baseline = json.load(f)
    found = instructions(program)
    print(f"1..{len(CASES)}")
    for number, case in enumerate(CASES, 1):
        change = found[case] / baseline[case] - 1
        ok = "ok" if change <= ALLOWED else "not ok"
        print(f"{ok} {number} - count:instructions:{case}: {found[case]} a packet, baseline {baseline[case]} "
              f"({change:+.1%}); after a change that is meant: ninja -C build bench-baseline")
    return 0


if __name__ == "__main__":
    sys.exit(main())
