#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""stream.py - page after page

"parent": 8 MiB of one byte, "ready", and sleep. In an image of it, as a child does,
through a private map: "child MOUNT" touches each page of these; "jump MOUNT" touches
64, in a mount that has brought all, after the kernel has dropped them.
"""
import json
import mmap
import os
import sys
import time

BYTE = 0x5a


def parent():
    held = bytes([BYTE]) * (8 << 20)
    print("ready", flush=True)
    time.sleep(300)
    return held


def open_area(mount):
    """The space file, and where the area is."""
    with open(mount + "/image/image.json", encoding="utf-8") as file:
        areas = json.load(file)["areas"]
    area = max((a for a in areas if a["kind"] == "anonymous"),
               key=lambda a: a["pages_present"])
    start, end = int(area["start"], 16), int(area["end"], 16)
    return os.open(mount + "/image/.space", os.O_RDONLY), start, end


def touch(area, offsets):
    """How many pages hold the byte; the map does not stay."""
    space, start, end = area
    with mmap.mmap(space, end - start, mmap.MAP_PRIVATE, mmap.PROT_READ,
                   offset=start) as pages:
        pages.madvise(mmap.MADV_RANDOM)
        return sum(pages[at] == BYTE for at in offsets)


def child(mount):
    area = open_area(mount)
    assert touch(area, range(4095, area[2] - area[1], 4096)) > 2000


def settle(mount):
    """Until what was asked ahead of demand has come."""
    before = None
    while True:
        with open(mount + "/metrics", encoding="utf-8") as file:
            now = [line for line in file if "prefetch" in line]
        if now == before:
            return
        before = now
        time.sleep(0.3)


def jump(mount):
    area = open_area(mount)
    middle = (area[2] - area[1]) // 8192 * 4096
    settle(mount)
    os.posix_fadvise(area[0], area[1], area[2] - area[1],
                     os.POSIX_FADV_DONTNEED)
    assert touch(area, [middle + page * 4096 for page in range(64)]) == 64


{"parent": parent, "child": child, "jump": jump}[sys.argv[1]](*sys.argv[2:])
