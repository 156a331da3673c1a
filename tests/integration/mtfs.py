# SPDX-License-Identifier: MIT
"""The protocol of docs/protocol.md, by hand: a client that trusts nothing."""
import socket
import struct
import subprocess

MAGIC = 0x5346544D
HELLO, PREPARE, OPEN, READ, RELEASE, LIST, STATUS, RENEW = range(1, 9)
VERSION, NONE, MUNGE, PSK = 5, 0, 1, 2
URGENT = 2
MEMORY, MAPPED = 0, 2  # MAPPED + n: the n-th mapped file


class Refused(Exception):
    """The daemon said no: .errno, its .words, and to which .client."""

    def __init__(self, status, words, client=None):
        super().__init__(f"{-status}: {words}")
        self.errno = -status
        self.words = words
        self.client = client


class Tls:
    """A connection to (host, port) inside TLS 1.3, by the key of a name: by
    openssl(1), so that nothing of ours is at this end."""

    def __init__(self, where, name, key, *options):
        host, port = where
        self.program = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{host}:{port}", "-quiet",
             "-psk_identity", name, "-psk", key, *(options or (
                 "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def sendall(self, data):
        try:
            self.program.stdin.write(data)
            self.program.stdin.flush()
        except BrokenPipeError:
            pass

    def recv(self, size):
        return self.program.stdout.read1(size)

    def shutdown(self, _how=None):
        try:
            self.program.stdin.close()
        except BrokenPipeError:
            pass

    def close(self):
        """What openssl had to say."""
        self.program.terminate()
        self.shutdown()
        self.program.stdout.read()
        said = self.program.stderr.read().decode(errors="replace")
        self.program.wait()
        return said


class Client:
    def __init__(self, where, credential=b"", sec=None):
        """where: the path of a unix socket, a port of 127.0.0.1, (host, port),
        or something with a socket's methods, as Tls.  credential: of munge.
        sec: what HELLO says it is."""
        self.received = 0
        if sec is None:
            sec = MUNGE if credential else NONE
        if hasattr(where, "recv"):
            self.sock = where
        elif isinstance(where, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(60)
            self.sock.connect(where)
        else:
            if isinstance(where, int):
                where = ("127.0.0.1", where)
            self.sock = socket.create_connection(where, 60)
        self.next_id = 0
        self.call(HELLO, struct.pack("<IIHHI", VERSION, 1 << 20, 0,
                                     sec, len(credential)) + credential)

    def send(self, kind, body=b"", flags=0):
        self.next_id += 1
        self.sock.sendall(struct.pack("<IHHIiII", MAGIC, kind, flags,
                                      self.next_id, 0, len(body), 0) + body)
        return self.next_id

    def get(self, size):
        parts = bytearray()
        while len(parts) < size:
            part = self.sock.recv(size - len(parts))
            if not part:
                raise EOFError("the daemon hung up")
            parts += part
        self.received += size
        return bytes(parts)

    def receive(self):
        """(id, status, body) of the next reply."""
        magic, kind, flags, number, status, size, zero = struct.unpack(
            "<IHHIiII", self.get(24))
        assert magic == MAGIC and flags & 1 and zero == 0, (magic, flags)
        return number, status, self.get(size)

    def call(self, kind, body=b""):
        asked = self.send(kind, body)
        number, status, body = self.receive()
        assert number == asked
        if status:
            raise Refused(status, body.decode(), self)
        return body

    def prepare(self, pid, name=b"", lease=0):
        body = self.call(PREPARE, struct.pack("<iI64s", pid, lease, name))
        return struct.unpack("<64s16s", body)

    def open(self, name, key=b""):
        """(handle, descriptor)"""
        body = self.call(OPEN, struct.pack("<64s16s", name, key))
        return struct.unpack("<I", body[:4])[0], body[8:]

    def release(self, name, key=b""):
        self.call(RELEASE, struct.pack("<64s16s", name, key))

    def ask_read(self, handle, addr, size, flags=0, what=MEMORY):
        return self.send(READ, struct.pack("<IIQII", handle, what, addr, size,
                                           0), flags)

    def read(self, handle, addr, size, flags=URGENT):
        asked = self.ask_read(handle, addr, size, flags)
        number, status, body = self.receive()
        assert number == asked
        if status:
            raise Refused(status, body.decode())
        return body
