#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check_metrics.py - is this Prometheus text as it must be? On stdin.

What promtool's "check metrics" looks at: help and type of each family and once,
base units, _total behind counters and nowhere else, buckets that rise, +Inf that
is the count, no sample twice. Names given as arguments must be there:
NAME, NAME=VALUE, or NAME{KEY="VALUE",...}=VALUE. Prints nothing when all is well.
"""
import re
import shutil
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
SAMPLE = re.compile(
    r'([a-z_0-9]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? '
    r'([0-9]+(?:\.[0-9]+)?)')
HEAD = re.compile(r"# (HELP|TYPE) ([a-z_0-9]+) (.+)")
BAD_UNITS = re.compile(
    r"_(ns|us|ms|msec|usec|nanoseconds|microseconds|milliseconds|minutes|hours|"
    r"kb|kib|mb|mib|pages|kilobytes|megabytes)(_|$)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def die(words):
    sys.exit(f"not Prometheus text: {words}")


def check_lines(text):
    """The text line by line: families in one piece, each with its head."""
    if not text.endswith("\n"):
        die("the last line does not end")
    types, helps, samples, family = {}, {}, {}, None
    for line in text.splitlines():
        head = HEAD.fullmatch(line)
        if head:
            what, name, rest = head.groups()
            table = helps if what == "HELP" else types
            if name in table:
                die(f"{what} of {name} twice")
            if what == "TYPE" and name != family:
                die(f"{name} has no help right before its type")
            table[name], family = rest, name
            continue
        sample = SAMPLE.fullmatch(line)
        if not sample:
            die(f"line {line!r}")
        name, labels, value = sample.groups()
        endings = SUFFIXES.get(types.get(family), ("",))
        if name not in [family + ending for ending in endings]:
            die(f"{name} in the family {family}")
        if (name, labels) in samples:
            die(f"{name}{labels or ''} twice")
        samples[name, labels] = value
    if set(types) != set(helps):
        die(f"help or type is missing: {set(types) ^ set(helps)}")
    return types, samples


def check_names(types):
    for name, kind in types.items():
        if not NAME.fullmatch(name) or BAD_UNITS.search(name):
            die(f"the name {name}")
        if (kind == "counter") != name.endswith("_total"):
            die(f"{name} is a {kind}")
        if name.endswith(("_count", "_sum", "_bucket")):
            die(f"the name {name} ends as a histogram's sample")


def check_histogram(family):
    """Of each set of labels but "le", for itself."""
    def labels(sample):
        return tuple(sorted((key, value) for key, value in
                            sample.labels.items() if key != "le"))

    for which in {labels(s) for s in family.samples}:
        mine = [s for s in family.samples if labels(s) == which]
        rows = [s for s in mine if s.name.endswith("_bucket")]
        bounds = [float(s.labels["le"]) for s in rows]
        counts = [s.value for s in rows]
        total = [s.value for s in mine if s.name.endswith("_count")]
        if not bounds or bounds != sorted(set(bounds)) or \
                bounds[-1] != float("inf"):
            die(f"bounds of {family.name}: {bounds}")
        if counts != sorted(counts) or [counts[-1]] != total:
            die(f"counts of {family.name}: {counts}, {total}")


def check_wanted(samples, wanted):
    have = {name + (labels or ""): value
            for (name, labels), value in samples.items()}
    for want in wanted:
        name, _, value = want.rpartition("=") if re.search(
            r"=[0-9.]+$", want) else (want, "", "")
        if name not in have or (value and float(have[name]) != float(value)):
            die(f"{want} is not there, but {have.get(name)}")


def main():
    text = sys.stdin.read()
    types, samples = check_lines(text)
    check_names(types)
    for family in text_string_to_metric_families(text):
        if family.type == "histogram":
            check_histogram(family)
    check_wanted(samples, sys.argv[1:])
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], check=True,
                       input=text.encode())


main()
