#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""busy.py DIR - a real program for the zoo: Python and numpy, several threads

Obeys the zoo's rules (zoo.h): "ready", work and checks until DIR/go exists, then
"ok".  Every result is an integer or repeats a computation, so it must be exact.
"""
import gc
import os
import subprocess
import sys
import threading
import time
import zlib

import numpy

THREADS = 3
PATIENCE_S = 300
MARKER = b"a marker to look for in the image: " + bytes(range(65, 91)) * 8

directory = sys.argv[1]
deadline = time.monotonic() + PATIENCE_S


def say(line):
    os.write(1, line.encode() + b"\n")


def fail(why):
    say("fail: " + why)
    os._exit(1)


def check(right, why):
    if not right:
        fail(why)


def running():
    check(time.monotonic() < deadline, "nobody said go")
    return not os.path.exists(directory + "/go")


class Worker(threading.Thread):
    """Arrays, matrices and objects that are rewritten and checked."""

    def __init__(self, number):
        super().__init__(name=f"worker {number}")
        rng = numpy.random.default_rng(number)
        self.data = rng.integers(0, 1 << 30, 500_000)
        self.crc = zlib.crc32(self.data.tobytes())
        self.matrix = rng.integers(0, 100, (120, 120)).astype(float)
        self.product = self.matrix @ self.matrix
        self.objects = {}
        self.rounds = 0

    def turn(self):
        self.data ^= 0x5555
        self.data ^= 0x5555
        check(zlib.crc32(self.data.tobytes()) == self.crc,
              f"{self.name}: the array's checksum changed")
        check(numpy.array_equal(self.matrix @ self.matrix, self.product),
              f"{self.name}: a matrix product changed")
        for i in range(2000):
            key = (self.rounds * 7 + i) % 5000
            value = self.objects.get(key)
            check(value is None or value == [key] * (key % 9),
                  f"{self.name}: object {key} is {value}")
            self.objects[key] = [key] * (key % 9)
        self.rounds += 1

    def run(self):
        try:
            while running():
                self.turn()
            for _ in range(5):
                self.turn()
        except Exception as error:  # a thread must not fail in silence
            fail(f"{self.name}: {error!r}")


def things_never_done_before():
    """What a child may do for the first time: import, fork, exec, new heaps."""
    import decimal
    check(str(decimal.Decimal(1) / 7)[:6] == "0.1428", "decimal is wrong")
    done = subprocess.run(["cat"], input=MARKER, capture_output=True,
                          check=False)
    check(done.returncode == 0 and done.stdout == MARKER, "subprocess")
    big = numpy.zeros(4_000_000, dtype=numpy.uint8)
    check(not big.any(), "new memory is not zero")
    check(gc.collect() >= 0, "gc")


def main():
    keep = bytearray(MARKER)
    workers = [Worker(i) for i in range(THREADS)]
    for worker in workers:
        worker.start()
    say("ready")
    for worker in workers:
        worker.join()
    second = Worker(99)
    second.start()
    second.join()
    things_never_done_before()
    check(keep == MARKER, "the marker changed")
    say("ok")


main()
