#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tell.py LOG - what each fuzz target did, from meson's testlog.json

A line each: how many inputs it ran in how many seconds, how many edges of the
code they reached, and how many of them were worth keeping.  Exits 1 when a
target that is said to be right says nothing of that: it did not run.
"""
import json
import re
import sys

LAST = re.compile(r"DONE +cov: (\d+) ft: \d+ corp: (\d+)/")
RUNS = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)


def tell(test):
    """Print the line of a target; whether it is as it should be."""
    name = test["name"].split(" / ")[-1]
    said = test.get("stderr", "") + test.get("stdout", "")
    last, runs = LAST.search(said), RUNS.search(said)
    if test["result"] != "OK":
        return True  # tally.py says so
    if not last or not runs:
        print(f"{name}: does not say what it did")
        return False
    print(f"{name}: {runs[1]} inputs in {runs[2]} s, {last[1]} edges, "
          f"{last[2]} kept")
    return True


def main():
    with open(sys.argv[1], encoding="utf-8") as log:
        right = [tell(json.loads(line)) for line in log if line.strip()]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
