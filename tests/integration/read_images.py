#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One client of several images: read all of them in a random order, pipelined,
every byte compared.  Arguments: WHERE SEED MIB then NAME:ADDR:PATTERN ..."""
import random
import sys

import mtfs
from patterned import pattern

DEPTH = 32
CHUNKS = [4096, 4096, 4096, 65536, 262144, 1048576]


def cut(size):
    """(offset, length) that cover size bytes once."""
    at = 0
    while at < size:
        length = min(random.choice(CHUNKS), size - at)
        yield at, length
        at += length


def main():
    where, seed, mib, images = sys.argv[1], *sys.argv[2:4], sys.argv[4:]
    random.seed(int(seed))
    size = int(mib) << 20
    client = mtfs.Client(int(where) if where.isdigit() else where)
    work = []
    for image in images:
        name, addr, number = image.split(":")
        handle, desc = client.open(name.encode())
        assert len(desc) > 1000, "that is no descriptor"
        expected = pattern(int(number), size).tobytes()
        work += [(handle, int(addr), expected, at, length)
                 for at, length in cut(size)]
    random.shuffle(work)
    under_way, total = {}, 0
    while work or under_way:
        while work and len(under_way) < DEPTH:
            job = work.pop()
            handle, addr, _, at, length = job
            flags = random.choice([0, mtfs.URGENT])
            under_way[client.ask_read(handle, addr + at, length, flags)] = job
        number, status, body = client.receive()
        handle, addr, expected, at, length = under_way.pop(number)
        assert status == 0, (status, body)
        assert body == expected[at:at + length], \
            f"wrong bytes at {addr + at:#x}, {length} of them"
        total += length
    print(f"read {total >> 20} MiB, all right")


if __name__ == "__main__":
    main()
