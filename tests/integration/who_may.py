#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What one client may do with a daemon, from the outside, by whoever runs this.
Arguments: WAY PID ADDR SEED IMAGE KEY TO-RELEASE KEY-TO-RELEASE

    WAY  unix:PATH, tcp:HOST:PORT, munge:HOST:PORT:SOCKET, or
         psk:HOST:PORT:NAME:KEY
    PID  a process, with words of SEED at ADDR (patterned.py)
    IMAGE, TO-RELEASE   two images of it, and their keys

Prints a word for each of: status prepare list open renew release, and the last
three once more with the key.  "yes": it was done, and the bytes are right.
"no": it was refused, with no more than the words of a refusal for each message.
A client that is not let in has "no" for all."""
import errno
import subprocess
import sys

import mtfs
from patterned import pattern

REFUSAL_MAX = 24 + 255
SIZE = 1 << 16
NO_KEY = bytes(16)

way, pid, addr, seed, image, key, doomed, doomed_key = sys.argv[1:]
kind, *words = way.split(":")
pid, addr, seed = int(pid), int(addr), int(seed)
image, doomed = image.encode(), doomed.encode()
key, doomed_key = bytes.fromhex(key), bytes.fromhex(doomed_key)


def connect():
    if kind == "unix":
        return mtfs.Client(words[0])
    where = (words[0], int(words[1]))
    if kind == "tcp":
        return mtfs.Client(where)
    if kind == "psk":
        return mtfs.Client(mtfs.Tls(where, *words[2:]), sec=mtfs.PSK)
    shown = subprocess.run(
        ["munge", "--socket", words[2], "--ttl", "60", "--string",
         f"mitosis hello 5 to tcp {words[0]}:{words[1]}"],
        check=True, stdout=subprocess.PIPE).stdout.strip()
    return mtfs.Client(where, shown)


def status(client):
    assert client.call(mtfs.STATUS)


def prepare(client):
    name, its_key = client.prepare(pid)
    client.release(name, its_key)


def lists(client):
    if image + b"\0" not in client.call(mtfs.LIST):
        raise mtfs.Refused(-errno.EACCES, "not listed")


def open_and_read(client, shown):
    handle, desc = client.open(image, shown)
    assert len(desc) > 1000, "that is no descriptor"
    assert client.read(handle, addr, SIZE) == \
        pattern(seed, SIZE).tobytes(), "wrong bytes"
    assert key not in desc, "a key is in the descriptor"


def no_handle_is_open(client):
    for handle in range(4):
        try:
            client.read(handle, addr, 4096)
            sys.exit("read without a handle")
        except mtfs.Refused as refused:
            assert refused.errno == errno.EBADF, refused


def renew(client, shown):
    client.call(mtfs.RENEW, mtfs.struct.pack("<64s16s", image, shown))


def may(client, do, *args):
    before = client.received
    try:
        do(client, *args)
        return "yes"
    except mtfs.Refused as refused:
        assert refused.errno in (errno.EACCES, errno.EPERM), refused
        assert client.received - before <= REFUSAL_MAX, client.received
        return "no"


def with_each_key():
    name, its_key = doomed, doomed_key
    for shown in (NO_KEY, key):
        # Handles are a connection's: what one opened is not read by another.
        client = connect()
        before = client.received
        answer = may(client, open_and_read, shown)
        if answer == "no":
            no_handle_is_open(client)
            assert client.received - before <= 5 * REFUSAL_MAX
        yield answer
        yield may(client, renew, shown)
        released = may(client, mtfs.Client.release, name,
                       its_key if any(shown) else NO_KEY)
        yield released
        if released == "yes" and not any(shown):  # who may that may have another one
            name, its_key = client.prepare(pid)


def turned_away(failure):
    """Nothing but a refusal came, in plain or in TLS."""
    client = getattr(failure, "client", None)
    assert not client or client.received <= REFUSAL_MAX, client.received
    print(*["no"] * 9)
    print(f"# {failure}", file=sys.stderr)


def main():
    try:
        client = connect()
    except (mtfs.Refused, EOFError) as failure:
        turned_away(failure)
        return
    print(may(client, status), may(client, prepare), may(client, lists),
          *with_each_key())


main()
