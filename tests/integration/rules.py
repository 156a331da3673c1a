#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Rules of docs/security.md that need odd messages, from the outside, by the owner of
a process.  Arguments: SOCKET PID ADDR SEED

A refusal is no more than the words of a refusal; who breaks the protocol is hung up
on, and hears nothing."""
import errno
import socket
import struct
import sys

import mtfs
from patterned import pattern

REFUSAL_MAX = 24 + 255
path, pid, addr, seed = sys.argv[1], *map(int, sys.argv[2:])
page = pattern(seed, 4096).tobytes()


def refused(error, client, do, *args):
    before = client.received
    try:
        do(*args)
    except mtfs.Refused as failure:
        assert failure.errno == error, failure
        assert client.received - before <= REFUSAL_MAX, client.received
        return
    sys.exit(f"not refused: {do} {args}")


def nothing_before_hello(name, key):
    image = struct.pack("<64s16s", name, key)
    first = {mtfs.PREPARE: struct.pack("<iI64s", pid, 0, b""),
             mtfs.OPEN: image, mtfs.RENEW: image, mtfs.RELEASE: image,
             mtfs.READ: struct.pack("<IIQII", 0, 0, addr, 4096, 0),
             mtfs.LIST: b"", mtfs.STATUS: b""}
    for kind, body in first.items():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(60)
            sock.connect(path)
            sock.sendall(struct.pack("<IHHIiII", mtfs.MAGIC, kind, 0, 1, 0,
                                     len(body), 0) + body)
            try:
                heard = sock.recv(1)
            except ConnectionResetError:
                heard = b""
            assert not heard, f"{kind} was answered before HELLO"


def handle_is_of_one_connection(name):
    one, other = mtfs.Client(path), mtfs.Client(path)
    handle, _ = one.open(name)
    refused(errno.EBADF, other, other.read, handle, addr, 4096)
    assert one.read(handle, addr, 4096) == page, "wrong bytes"


def old_key_opens_nothing():
    client = mtfs.Client(path)
    name, old = client.prepare(pid, b"twice")
    handle, _ = client.open(name)
    client.release(name, old)
    refused(errno.ESTALE, client, client.read, handle, addr, 4096)
    _, new = client.prepare(pid, b"twice")
    refused(errno.ESTALE, client, client.open, b"twice", old)
    handle, _ = client.open(b"twice", new)
    assert client.read(handle, addr, 4096) == page, "wrong bytes"
    client.release(b"twice", new)


def keys_are_told_once(key):
    client = mtfs.Client(path)
    for kind in (mtfs.LIST, mtfs.STATUS):
        assert key not in client.call(kind), "a key is told"


mine = mtfs.Client(path)
its_name, its_key = mine.prepare(pid)
nothing_before_hello(its_name, its_key)
handle_is_of_one_connection(its_name)
old_key_opens_nothing()
keys_are_told_once(its_key)
mine.release(its_name, its_key)
