#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""sizes.py - refuse files, functions and parameter lists that grew too long

Exceptions stand in sizes.exceptions, one a line with its reason.
"""
import os
import shutil
import subprocess
import sys

FILE_LINES = 600
FUNCTION_LINES = 80
MAIN_LINES = 60
PARAMETERS = 5

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def sources():
    for folder, folders, names in os.walk("."):
        folders[:] = [f for f in folders
                      if f != ".git" and not f.startswith("build")]
        for name in names:
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, name), ".")


def exceptions():
    path = "tests/lint/sizes.exceptions"
    with open(path, encoding="utf-8") as lines:
        return {tuple(line.split()[:3]) for line in lines
                if line.strip() and not line.startswith("#")}


def functions(paths):
    """(file, name, lines, signature) of every function definition."""
    out = subprocess.run(
        ["ctags", "-x", "--kinds-C=f", "--languages=C", "--langmap=C:.c.h",
         "--fields=+neS", "--_xformat=%F\t%N\t%n\t%{end}\t%S", *paths],
        check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        path, name, start, end, signature = line.split("\t", 4)
        yield path, name, int(end or start) - int(start) + 1, signature


def parameters(signature):
    """How many parameters; a comma inside a function pointer is not one."""
    depth, count = 0, 1
    inner = signature.strip()[1:-1]
    if inner in ("", "void"):
        return 0
    for char in inner:
        depth += {"(": 1, ")": -1}.get(char, 0)
        count += char == "," and depth == 0
    return count


def complaints(paths):
    for path in paths:
        with open(path, encoding="utf-8") as text:
            lines = sum(1 for _ in text)
        if lines > FILE_LINES:
            yield "file", path, "-", f"{lines} lines, at most {FILE_LINES}"
    for path, name, lines, signature in functions(paths):
        most = MAIN_LINES if name == "main" else FUNCTION_LINES
        if lines > most:
            yield "function", path, name, f"{lines} lines, at most {most}"
        count = parameters(signature)
        if count > PARAMETERS:
            yield ("parameters", path, name,
                   f"{count} parameters, at most {PARAMETERS}")


def main():
    os.chdir(ROOT)
    if not shutil.which("ctags"):
        print("skip: ctags (universal-ctags) is not installed")
        return 77
    allowed = exceptions()
    bad = [c for c in complaints(sorted(sources())) if c[:3] not in allowed]
    for _, path, name, words in bad:
        print(f"{path}: {name}: {words}" if name != "-" else f"{path}: {words}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
