#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tools/bench/guard calls worse, on lines that nobody measured."""
import importlib.machinery
import importlib.util
import io
import contextlib
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
BENCH = pathlib.Path(__file__).resolve().parents[3] / "tools" / "bench"
sys.path.insert(0, str(BENCH))
LOADER = importlib.machinery.SourceFileLoader("guard", str(BENCH / "guard"))
guard = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("guard", LOADER))
LOADER.exec_module(guard)


def line(ratio=1.0, median_ns=5_000_000, **more):
    return {"benchmark": "fork", "parent": "c-9m", "transport": "tcp",
            "who": "mitosisfs", "phase": "work", "runs": 3, "min_ns": 1,
            "median_ns": median_ns, "max_ns": 9, "beside": "fork",
            "ratio": ratio, **more}


class Ratios(unittest.TestCase):
    def test_the_least_counts(self):
        got = guard.ratios([line(2.0), line(1.5), line(1.8)])
        self.assertEqual(list(got.values()), [1.5])

    def test_times_runs_and_bytes_are_no_identity(self):
        got = guard.ratios([line(2.0), line(3.0, runs=9, min_ns=7, bytes=5)])
        self.assertEqual(len(got), 1)

    def test_what_it_is_is_identity(self):
        for other in ({"phase": "load"}, {"transport": "local"},
                      {"delay_us": 300}, {"options": "mode=cow"},
                      {"beside": "floor_file"}, {"memory": "own"},
                      {"percent": 10}, {"children": 4}, {"depth": 16}):
            self.assertEqual(len(guard.ratios([line(), line(**other)])), 2,
                             other)

    def test_rivals_and_short_times_are_left_out(self):
        rival = line(who="fork")
        del rival["ratio"]
        self.assertEqual(guard.ratios([rival, line(median_ns=50_000),
                                       line(who="floor_file")]), {})

    def test_microseconds_of_many_samples_count(self):
        fault = line()
        del fault["median_ns"]
        fault["p50_ns"] = 7000
        self.assertEqual(len(guard.ratios([fault])), 1)


class Compare(unittest.TestCase):
    def worse(self, was, now, factor=1.5):
        worse, number = guard.compare(guard.ratios([line(was)]),
                                      guard.ratios([line(now)]), factor)
        self.assertEqual(number, 1)
        return bool(worse)

    def test_factor(self):
        self.assertFalse(self.worse(2.0, 2.0))
        self.assertFalse(self.worse(2.0, 0.1))
        self.assertFalse(self.worse(2.0, 3.0))
        self.assertTrue(self.worse(2.0, 3.01))
        self.assertFalse(self.worse(2.0, 3.9, 2))

    def test_next_to_nothing_may_double(self):
        self.assertFalse(self.worse(0.04, 0.09))
        self.assertTrue(self.worse(0.04, 0.2))

    def test_times_do_not_matter(self):
        old = guard.ratios([line(2.0, median_ns=1_000_000)])
        new = guard.ratios([line(2.0, median_ns=900_000_000)])
        self.assertEqual(guard.compare(old, new, 1.5), ([], 1))

    def test_only_what_both_have(self):
        old = guard.ratios([line(1.0), line(1.0, phase="load")])
        new = guard.ratios([line(9.0, phase="pause"), line(1.0)])
        self.assertEqual(guard.compare(old, new, 1.5), ([], 1))


class Program(unittest.TestCase):
    def run_with(self, old, new, *words):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, lines in (("old", old), ("new", new)):
                path = pathlib.Path(folder, name + ".jsonl")
                path.write_text("".join(json.dumps(row) + "\n"
                                        for row in lines), encoding="utf-8")
                paths.append(str(path))
            out = io.StringIO()
            argv = ["guard", "--old", paths[0], *words, paths[1]]
            with mock.patch.object(sys, "argv", argv), \
                    contextlib.redirect_stdout(out), \
                    contextlib.redirect_stderr(out):
                return guard.main(), out.getvalue()

    def test_says_what_is_worse(self):
        status, said = self.run_with([line(2.0), line(1.0, phase="load")],
                                     [line(5.0), line(1.0, phase="load")])
        self.assertEqual(status, 1)
        self.assertIn("worse: fork c-9m tcp mitosisfs work: 5.00 times fork, "
                      "was 2.00: 2.50 times as much, 2 is allowed\n", said)
        self.assertIn("2 ratios compared, 1 worse", said)
        self.assertEqual(len(said.splitlines()), 2)

    def test_nobody_is_beside(self):
        lines = [line(2.0), line(5.0)]
        for row in lines:
            del row["beside"]
        status, said = self.run_with(lines[:1], lines[1:])
        self.assertEqual(status, 1)
        self.assertIn("5.00 times its rival, was 2.00", said)

    def test_none_is_worse(self):
        status, said = self.run_with([line(2.0)], [line(5.0)], "--factor", "3")
        self.assertEqual((status, said), (0, "1 ratios compared, 0 worse\n"))

    def test_nothing_to_compare(self):
        self.assertEqual(self.run_with([line()], [line(phase="x")])[0], 2)
        self.assertEqual(self.run_with([], [])[0], 2)

    def test_another_try_may_clear_it(self):
        tries = iter([[line(5.0)], [line(2.1)], [line(9.0)]])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "old.jsonl")
            path.write_text(json.dumps(line(2.0)), encoding="utf-8")
            with mock.patch.object(guard, "measure", lambda: next(tries)), \
                    mock.patch.object(sys, "argv",
                                      ["guard", "--old", str(path)]), \
                    contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(guard.main(), 0)
        self.assertEqual(len(list(tries)), 1)


if __name__ == "__main__":
    unittest.main()
