#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tally.py LOG - the last line of tests/run, from meson's testlog.json

Names what failed and why each skipped test was skipped; exits 1 when a test
failed or none ran.
"""
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}


def reason(test):
    """The last line that a skipped test printed."""
    lines = [line for line in test.get("stdout", "").splitlines() if line]
    return lines[-1] if lines else "no reason given"


def name(test):
    """Without the project and the suites that meson puts before it."""
    return test["name"].split(" / ")[-1]


def main():
    with open(sys.argv[1], encoding="utf-8") as log:
        tests = [json.loads(line) for line in log if line.strip()]
    passed = [t for t in tests if t["result"] in PASSED]
    skipped = [t for t in tests if t["result"] == "SKIP"]
    failed = [t for t in tests if t["result"] not in PASSED | {"SKIP"}]
    for test in skipped:
        print(f"skipped: {name(test)}: {reason(test)}")
    for test in failed:
        print(f"failed: {name(test)}: {test['result'].lower()}")
    print(f"{len(passed)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
