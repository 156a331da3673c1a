#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One look at a daemon by a client of another host, with a munge credential of
whoever runs this.  Arguments: HOST PORT MUNGE_SOCKET WHAT [ARGUMENT...]

    reads NAME KEY ADDR PATTERN MIB   all of the area is right
    cannot-open NAME KEY              refused, and no byte of the image came
    replay                            the second time a credential is refused
    forwarded SERVER                  so is one that was made for SERVER
    cut                               so are a short one, and noise
    unsaid                            so is nobody

A refusal is one message: its header and a line of words."""
import errno
import os
import subprocess
import sys

import mtfs

WORDS_MAX = 255
REFUSAL_MAX = 24 + WORDS_MAX
CHUNK = 1 << 16

host, port, munge_socket, what, *words = sys.argv[1:]
port = int(port)


def credential(server=f"{host}:{port}"):
    return subprocess.run(
        ["munge", "--socket", munge_socket, "--ttl", "60", "--string",
         f"mitosis hello 5 to tcp {server}"],
        check=True, stdout=subprocess.PIPE).stdout.strip()


def connect(shown=None):
    return mtfs.Client((host, port), credential() if shown is None else shown)


def expect_turned_away(shown, reason):
    """HELLO is refused; then the daemon hangs up, and has said no more."""
    try:
        connect(shown)
    except mtfs.Refused as refused:
        assert refused.errno == errno.EACCES, refused
        assert reason in refused.words, refused
        client = refused.client
        assert client.received <= REFUSAL_MAX, client.received
        client.sock.shutdown(1)
        rest = client.sock.recv(1)
        assert not rest, "more came behind the refusal"
        return
    sys.exit(f"let in: {what}")


def reads(name, key, addr, seed, mib):
    from patterned import pattern
    addr, size = int(addr), int(mib) << 20
    client = connect()
    handle, desc = client.open(name.encode(), bytes.fromhex(key))
    assert len(desc) > 1000, "that is no descriptor"
    expected = pattern(int(seed), size).tobytes()
    for at in range(0, size, CHUNK):
        assert client.read(handle, addr + at, CHUNK) == \
            expected[at:at + CHUNK], f"wrong bytes at {addr + at:#x}"


def cannot_open(name, key):
    client = connect()
    before = client.received
    try:
        client.open(name.encode(), bytes.fromhex(key))
    except mtfs.Refused as refused:
        assert refused.errno == errno.EACCES, refused
    else:
        sys.exit(f"{name} was opened")
    for handle in range(3):
        try:
            client.read(handle, 0x1000, 4096)
            sys.exit(f"{name} was read")
        except mtfs.Refused as refused:
            assert refused.errno == errno.EBADF, refused
    assert client.received - before <= 4 * REFUSAL_MAX, client.received
    assert name.encode() + b"\0" not in client.call(mtfs.LIST), "listed"


def replay():
    shown = credential()
    connect(shown)
    expect_turned_away(shown, "Replayed")


def forwarded(server):
    expect_turned_away(credential(server), server)


def cut():
    shown = credential()
    expect_turned_away(shown[:len(shown) // 2], "munge")
    expect_turned_away(os.urandom(200).replace(b"\0", b"x"), "munge")
    expect_turned_away(b"\0" * 2048, "no credential")


def unsaid():
    expect_turned_away(b"", "sec=munge")


{"reads": reads, "cannot-open": cannot_open, "replay": replay,
 "forwarded": forwarded, "cut": cut, "unsaid": unsaid}[what](*words)
