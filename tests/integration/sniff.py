#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Listen to all that goes over a device until SIGTERM.  Arguments: DEVICE SEED
MIB.  Then print how many whole pages of patterned.py's words were seen in the
clear: one in 512 words, each told by its first 16 bytes, is looked for."""
import signal
import socket
import sys

from patterned import pattern

device, seed, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) << 20
words = pattern(seed, size).tobytes()
marks = {words[at:at + 16] for at in range(0, size, 4096)}
done = False


def stop(_number, _frame):
    global done
    done = True


signal.signal(signal.SIGTERM, stop)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
wire.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
wire.bind((device, 0))
wire.settimeout(0.2)
print("ready", flush=True)
heard = bytearray()
while True:
    try:
        heard += wire.recv(1 << 17)[66:]  # Ethernet, IP, TCP with a timestamp
    except TimeoutError:
        if done:
            break
print("heard", len(heard), sum(mark in heard for mark in marks), flush=True)
