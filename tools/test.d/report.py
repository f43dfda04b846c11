# SPDX-License-Identifier: Apache-2.0
"""Counts single Check cases from meson's logs for tools/test.

report.py suite WORK DIR NAME            reads DIR/meson-logs/log-NAME.json, prints the suite's line
report.py step WORK NAME passed|failed|skipped LOG   counts a step that is no Check program
report.py total WORK                     prints failures, skips and the last line; exit 1 if any failed

WORK/cases.jsonl collects one line per case: {"name", "result", "text"}.
"""
import json
import os
import re
import sys

CASE = re.compile(r"^(ok|not ok) \d+ - (.*)$")
# A program that can run only in part says so with "# SKIP case: reason" (TAP comments are free text).
PARTLY = re.compile(r"^# SKIP (.*)$")
NOT_AT_ALL = re.compile(r"^1\.\.0 # SKIP ?(.*)$", re.IGNORECASE)
TAIL_LINES = 40


def cases_of_program(label, row):
    """One case per TAP line, and one for the program itself where the lines do not tell it all."""
    cases = []
    stdout, stderr = row.get("stdout", ""), row.get("stderr", "")
    for line in stdout.splitlines():
        if m := CASE.match(line):
            # Check writes file:suite:test_name: message; the last two are what a reader needs.
            name, _, message = m[2].partition(": ")
            name = f"{label}: {name.rsplit(':', 1)[-1]}"
            result = "passed" if m[1] == "ok" else "failed"
            cases.append({"name": name, "result": result, "text": "" if result == "passed" else message})
        elif m := PARTLY.match(line):
            cases.append({"name": label, "result": "skipped", "text": m[1]})
        elif m := NOT_AT_ALL.match(line):
            cases.append({"name": label, "result": "skipped", "text": m[1] or "no reason given"})
    failed = any(c["result"] == "failed" for c in cases)
    if row["result"] in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS") and not failed:
        tail = "\n".join((stdout + "\n" + stderr).splitlines()[-TAIL_LINES:])
        text = f"{row['result'].lower()}, exit status {row.get('returncode')}\n{tail}"
        cases.append({"name": label, "result": "failed", "text": text})
    elif failed and stderr:
        tail = "\n".join(stderr.splitlines()[-TAIL_LINES:])
        cases[-1 - [c["result"] for c in reversed(cases)].index("failed")]["text"] += "\n" + tail
    if not cases:
        cases.append({"name": label, "result": "failed", "text": "the program holds no test case"})
    return cases


def add(work, cases):
    with open(os.path.join(work, "cases.jsonl"), "a", encoding="utf-8") as f:
        for case in cases:
            f.write(json.dumps(case) + "\n")


def count(cases):
    numbers = {r: sum(c["result"] == r for c in cases) for r in ("passed", "failed", "skipped")}
    line = f"{numbers['passed']} passed, {numbers['failed']} failed"
    return line + (f", {numbers['skipped']} skipped" if numbers["skipped"] else ""), numbers["failed"]


def report_suite(work, directory, suite):
    cases = []
    try:
        with open(f"{directory}/meson-logs/log-{suite}.json", encoding="utf-8") as f:
            for line in f:
                row = json.loads(line)
                # meson writes "project:suite / program".
                program = row["name"].rsplit(" / ", 1)[-1]
                cases += cases_of_program(f"{directory} {suite} {program}", row)
    except FileNotFoundError:
        text = open(os.path.join(work, "out"), encoding="utf-8", errors="replace").read()
        cases.append({"name": f"{directory} {suite}", "result": "failed", "text": "meson ran nothing\n" + text})
    add(work, cases)
    print(count(cases)[0])
    return 0


def report_step(work, name, result, log):
    text = open(log, encoding="utf-8", errors="replace").read()
    add(work, [{"name": name, "result": result, "text": "\n".join(text.splitlines()[-TAIL_LINES:])}])
    return 0


def report_total(work):
    try:
        with open(os.path.join(work, "cases.jsonl"), encoding="utf-8") as f:
            cases = [json.loads(line) for line in f]
    except FileNotFoundError:
        cases = []
    for case in cases:
        if case["result"] == "failed":
            print(f"\nFAILED {case['name']}\n" + "\n".join("  " + t for t in case["text"].splitlines()))
    skips = [c for c in cases if c["result"] == "skipped"]
    if skips:
        print()
    for case in skips:
        print(f"skipped {case['name']}: {case['text']}")
    line, failed = count(cases)
    print(line)
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    command = {"suite": report_suite, "step": report_step, "total": report_total}[sys.argv[1]]
    sys.exit(command(*sys.argv[2:]))
