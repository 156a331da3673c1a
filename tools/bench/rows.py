# SPDX-License-Identifier: MIT
"""The lines of mitosis-bench --json: reading and choosing (docs/benchmarks-json.md)."""
import json
import pathlib

# What a line is; all else is what was measured.
IDENTITY = (
    "benchmark", "parent", "transport", "proto", "delay_us", "memory",
    "options", "fuse", "threads", "one_cpu", "row", "who", "phase", "percent",
    "order", "access", "mib", "children", "at_once", "size_bytes", "depth", "clients",
    "body_bytes", "beside",
)


def load(path):
    """All lines of a file or of the *.jsonl of a folder, in order."""
    path = pathlib.Path(path)
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return [json.loads(line) for file in files
            for line in file.read_text(encoding="utf-8").splitlines()]


def identity(row):
    return tuple((key, row[key]) for key in IDENTITY if key in row)


def words(row):
    """An identity, in short, for people."""
    row = dict(row) if isinstance(row, tuple) else row
    out = []
    for key in IDENTITY:
        if key not in row or key == "beside":
            continue
        value = row[key]
        out.append(str(value) if isinstance(value, str) else f"{key} {value}")
    return " ".join(out)


def pick(rows, **wanted):
    """Those that have all of these; None: that have no such member."""
    return [row for row in rows
            if all(row.get(key) == value for key, value in wanted.items())]


def one(rows, **wanted):
    """The first of pick(), or None."""
    return next(iter(pick(rows, **wanted)), None)
