#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""parent.py MIB - a Python process of MIB MiB that answers a benchmark

One command a line on stdin, one answer a line on stdout.  What is forked and what
is imaged answer alike: a forked child takes a pair of FIFOs for stdin and stdout,
an image's child has its loader's.

  ping               pong
  work               work SUM       a request such as a server might have
  readall            read SUM       looks at every page
  touch N ORDER HOW  touched SUM    N percent of the pages: the first ones (ORDER
                                    "order") or any ("random"), each once; HOW is
                                    "read", or "write": the same value again
  lay WHAT           laid           what touch touches: "heap"; fresh maps of as
                                    much: "anonymous", "file" (a warm memfd)
  spin               spinning       starts a thread that watches the clock
  gap                gap NS         ends it: the longest time it did not run
  fork IN OUT        forked PID START_NS CALL_NS; the child says "first NS"
  reap PID           reaped         kills a forked child and waits for it
  forks N K REQUEST  forks WALL_NS CPU_NS   N children, K at once, each with a pair of
                                    pipes, a request and an answer; of all processes
  quit
"""
import itertools
import json
import mmap
import os
import resource
import signal
import sys
import threading
import time
import zlib

numpy = None  # imported for a heap; without one this is a hello world

MIB = 1 << 20
WORK_BLOCKS = 8
NR_OBJECTS = 50_000


class Heap:
    """Most in blocks of bytes, a part in one array and in many objects."""

    def __init__(self, mib):
        self.array = numpy.arange(2 * MIB, dtype=numpy.int64)
        self.objects = {f"key {i}": [i, str(i)] for i in range(NR_OBJECTS)}
        self.blocks = []
        while resident_mib() < mib or not self.blocks:
            fill = (len(self.blocks) * 37 + 11) % 251
            self.blocks.append(bytearray([fill]) * MIB)

    def work(self):
        """A few blocks, a slice of the array, and some new objects."""
        total = sum(zlib.adler32(block) for block in self.blocks[:WORK_BLOCKS])
        total += int(self.array[: MIB // 4].sum())
        some = {key: self.objects[key] for key in
                (f"key {i * 17}" for i in range(1000))}
        return total + len(json.loads(json.dumps(some)))

    def read_all(self):
        total = sum(sum(memoryview(block)[::4096]) for block in self.blocks)
        total += int(self.array[::512].sum())
        return total + sum(len(value) for value in self.objects.values())


class Ground:
    """What touch touches, page by page: the heap's blocks, or a floor."""

    def __init__(self, heap):
        self.heap = heap
        self.file = None
        self.lay("heap")

    def lay(self, what):
        self.mapping = None
        if what == "heap":
            self.blocks = self.heap.blocks
            return
        if self.file is None:
            self.file = os.memfd_create("floor")
            for block in self.heap.blocks:
                os.write(self.file, block)
        size = len(self.heap.blocks) * MIB
        if what == "file":
            self.mapping = mmap.mmap(self.file, size, mmap.MAP_PRIVATE)
        else:
            self.mapping = mmap.mmap(-1, size,
                                     mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        view = memoryview(self.mapping)
        self.blocks = [view[at:at + MIB] for at in range(0, size, MIB)]

    def pages(self, order):
        number = len(self.blocks) * 256
        if order != "random":
            yield from range(number)
            return
        bits = max(1, (number - 1).bit_length())
        at = 0
        while True:
            page = at ^ at >> (bits + 1) // 2
            if page < number:
                yield page
            at = (at * 1664525 + 1013904223) & (1 << bits) - 1

    def touch(self, percent, order, access):
        total = 0
        writes = access == "write"
        blocks = self.blocks
        for page in itertools.islice(self.pages(order),
                                     len(blocks) * 256 * percent // 100):
            block, at = blocks[page >> 8], (page & 255) << 12
            value = block[at]
            if writes:
                block[at] = value
            total += value
        return total


class Spinner(threading.Thread):
    """Watches the clock and keeps its longest step."""

    def __init__(self):
        super().__init__()
        self.ending = False
        self.gap_ns = 0
        self.up = threading.Event()

    def run(self):
        now = time.monotonic_ns
        longest = 0
        self.up.set()
        last = now()
        while not self.ending:
            this = now()
            if this - last > longest:
                longest = this - last
            last = this
        self.gap_ns = longest


class Answers:
    """The commands; a child of fork goes on with the same object."""

    def __init__(self, heap):
        self.heap = heap
        self.ground = Ground(heap) if heap else None
        self.spinner = None

    def ping(self):
        return "pong"

    def work(self):
        return f"work {self.heap.work()}"

    def readall(self):
        return f"read {self.heap.read_all()}"

    def touch(self, percent, order, access):
        return f"touched {self.ground.touch(int(percent), order, access)}"

    def lay(self, what):
        self.ground.lay(what)
        return "laid"

    def spin(self):
        self.spinner = Spinner()
        self.spinner.start()
        self.spinner.up.wait()
        time.sleep(0.02)  # the thread's own start is not a pause
        return "spinning"

    def gap(self):
        self.spinner.ending = True
        self.spinner.join()
        return f"gap {self.spinner.gap_ns}"

    def fork(self, path_in, path_out):
        start = time.monotonic_ns()
        pid = os.fork()
        end = time.monotonic_ns()
        if pid:
            return f"forked {pid} {start} {end - start}"
        for path, flags, fd in ((path_in, os.O_RDONLY, 0),
                                (path_out, os.O_WRONLY, 1)):
            opened = os.open(path, flags)
            os.dup2(opened, fd)
            os.close(opened)
        return f"first {end}"

    def reap(self, pid):
        os.kill(int(pid), signal.SIGKILL)
        os.waitpid(int(pid), 0)
        return "reaped"

    def forks(self, total, at_once, request):
        start, cpu = time.monotonic_ns(), cpu_ns()
        for _ in range(int(total) // int(at_once)):
            children = []
            for _ in range(int(at_once)):
                child = fork_on_pipes()
                if not child:
                    return None
                children.append(child)
                os.write(child[1], request.encode() + b"\n")
                os.close(child[1])
            for pid, _, answers in children:
                if not os.read(answers, 256):
                    sys.exit(1)
                os.close(answers)
                os.waitpid(pid, 0)
        return f"forks {time.monotonic_ns() - start} {cpu_ns() - cpu}"

    def quit(self):
        sys.exit(0)


def fork_on_pipes():
    """(pid, its stdin, its stdout), or None in the child."""
    requests, answers = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(requests[0], 0)
        os.dup2(answers[1], 1)
        os.closerange(3, answers[1] + 1)
        return None
    os.close(requests[0])
    os.close(answers[1])
    return pid, requests[1], answers[0]


def cpu_ns():
    """Of this process and of the children that it has waited for."""
    used = 0
    for who in resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN:
        usage = resource.getrusage(who)
        used += usage.ru_utime + usage.ru_stime
    return int(used * 1e9)


def resident_mib():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096 // MIB


def read_line():
    """Unbuffered: what stdin is may change between two lines."""
    line = b""
    while not line.endswith(b"\n"):
        got = os.read(0, 1)
        if not got:
            os._exit(0)  # as children of a fork do: 5 ms less
        line += got
    return line.decode().split()


def main():
    global numpy
    mib = int(sys.argv[1])
    if mib:
        import numpy
    answers = Answers(Heap(mib) if mib else None)
    os.write(1, b"ready\n")
    while True:
        command, *words = read_line()
        answer = getattr(answers, command)(*words)
        if answer:
            os.write(1, answer.encode() + b"\n")


main()
