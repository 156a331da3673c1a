#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""stream.py - page after page

"parent": 8 MiB of one byte, "ready", and sleep. "child MOUNT": touch each page of
these in an image of it, as a child does, through a private map.
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


def child(mount):
    with open(mount + "/image/image.json", encoding="utf-8") as file:
        areas = json.load(file)["areas"]
    area = max((a for a in areas if a["kind"] == "anonymous"),
               key=lambda a: a["pages_present"])
    start, end = int(area["start"], 16), int(area["end"], 16)
    space = os.open(mount + "/image/.space", os.O_RDONLY)
    pages = mmap.mmap(space, end - start, mmap.MAP_PRIVATE, mmap.PROT_READ,
                      offset=start)
    pages.madvise(mmap.MADV_RANDOM)
    assert sum(pages[at] == BYTE
               for at in range(4095, end - start, 4096)) > 2000


if sys.argv[1] == "parent":
    parent()
else:
    child(sys.argv[2])
