#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A link to a daemon that can be cut.  Arguments: PORT, of the daemon; BYTES, or
none: the link breaks by itself, for good, when so many went through ("inf": never);
MS, or none: so many milliseconds all takes, each way.

Prints the port it listens on, and "ready".  SIGUSR1: the link breaks and nobody
answers any more.  SIGUSR2: it is there again, at the same port.  One word is
printed when that is done."""
import asyncio
import signal
import sys


class Relay:
    def __init__(self, target, room=float("inf"), delay_ms=0):
        self.target, self.port, self.room = target, 0, room
        self.delay_s = delay_ms / 1000
        self.server, self.writers = None, set()

    async def pump(self, reader, writer):
        try:
            while chunk := await reader.read(1 << 16):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(chunk)
                await writer.drain()
                self.room -= len(chunk)
                if self.room < 0:
                    self.cut()
        except OSError:
            pass
        writer.transport.abort()

    async def join(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, far_writer}
        await asyncio.gather(self.pump(reader, far_writer),
                             self.pump(far_reader, writer))
        self.writers -= {writer, far_writer}

    async def open(self):
        if not self.server:
            self.server = await asyncio.start_server(
                self.join, "127.0.0.1", self.port)
            self.port = self.server.sockets[0].getsockname()[1]

    def cut(self):
        if self.server:
            self.server.close()
            self.server = None
        for writer in self.writers:
            writer.transport.abort()


async def main():
    relay = Relay(int(sys.argv[1]), *map(float, sys.argv[2:]))
    wishes = asyncio.Queue()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        asyncio.get_running_loop().add_signal_handler(
            number, wishes.put_nowait, number)
    await relay.open()
    print(relay.port, "ready", sep="\n", flush=True)
    while True:
        if await wishes.get() == signal.SIGUSR1:
            relay.cut()
            print("cut", flush=True)
        else:
            await relay.open()
            print("open", flush=True)


asyncio.run(main())
