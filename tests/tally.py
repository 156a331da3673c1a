#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tally.py LOG - the last line of tests/run, from meson's testlog.json

Names what failed and why each skipped test was skipped; exits 1 when a test
failed or none ran.  A test that says TAP is as many tests as it has results.
"""
import json
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
RESULT = re.compile(r"(not )?ok \d+ - ([^#]*[^# ]) *(?:# SKIP *(.*))?$")
NONE = re.compile(r"1\.\.0 # SKIP *(.*)$")


def reason(test):
    """The last line that a skipped test printed."""
    for stream in "stdout", "stderr":
        lines = [line for line in test.get(stream, "").splitlines() if line]
        if lines:
            return lines[-1]
    return "no reason given"


def name(test):
    """Without the project and the suites that meson puts before it."""
    return test["name"].split(" / ")[-1]


def subtests(test):
    """Of a test that says TAP: (name, result, reason) of each result."""
    for line in test["stdout"].splitlines():
        if found := RESULT.match(line):
            bad, what, why = found.groups()
            yield (f"{name(test)}-{what}",
                   "FAIL" if bad else "OK" if why is None else "SKIP", why)
        elif found := NONE.match(line):
            yield name(test), "SKIP", found.group(1)


def results(test):
    """The (name, result, reason) that a line of meson's log stands for."""
    if not test.get("stdout", "").startswith("TAP version "):
        return [(name(test), test["result"], reason(test))]
    found = list(subtests(test))
    # It may have failed as a whole: its time was over, it broke TAP.
    if test["result"] not in PASSED | {"SKIP"} and \
            all(result != "FAIL" for _, result, _ in found):
        found.append((name(test), test["result"], None))
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as log:
        tests = [result for line in log if line.strip()
                 for result in results(json.loads(line))]
    passed = [t for t in tests if t[1] in PASSED]
    skipped = [t for t in tests if t[1] == "SKIP"]
    failed = [t for t in tests if t[1] not in PASSED | {"SKIP"}]
    for test, _, why in skipped:
        print(f"skipped: {test}: {why}")
    for test, result, _ in failed:
        print(f"failed: {test}: {result.lower()}")
    print(f"{len(passed)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
