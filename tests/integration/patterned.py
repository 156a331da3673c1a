#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A parent with SIZE MiB of words that tell their place.  After SIGUSR1 it
overwrites them for ever: an image taken before must not change."""
import ctypes
import mmap
import signal
import sys
import time

import numpy

STEP = 0x9E3779B97F4A7C15


def pattern(seed, size):
    words = numpy.arange(size // 8, dtype=numpy.uint64)
    return words * numpy.uint64(STEP) + numpy.uint64(seed)


def main():
    seed, size = int(sys.argv[1]), int(sys.argv[2]) << 20
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    words = numpy.frombuffer(area, dtype=numpy.uint64)
    words[:] = pattern(seed, size)
    addr = ctypes.addressof(ctypes.c_char.from_buffer(area))
    print(f"area {addr}", "ready", sep="\n", flush=True)
    signal.sigwait([signal.SIGUSR1])
    print("overwriting", flush=True)
    while True:
        words += numpy.uint64(1)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
