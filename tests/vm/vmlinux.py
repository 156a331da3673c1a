#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vmlinux.py BZIMAGE VMLINUX - take the uncompressed kernel out of a bzImage

Its header is described in the kernel's Documentation/arch/x86/boot.rst: byte
0x1f1 is the number of 512-byte setup sectors less one (0 means 4), and at 0x248
are the payload's offset after them and its length, 32 bits each.  The length of
the unpacked kernel, 32 bits, ends the payload.
"""
import struct
import subprocess
import sys

UNPACK = {
    b"\xfd7zXZ\0": ["xz", "-dcq", "--single-stream"],
    b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"],
    b"\x1f\x8b": ["gzip", "-dcq"],
}


def main():
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    if image[0x202:0x206] != b"HdrS":
        sys.exit(f"vmlinux.py: {sys.argv[1]} is not a bzImage")
    start = ((image[0x1f1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[start + offset:start + offset + length]
    for magic, command in UNPACK.items():
        if payload.startswith(magic):
            break
    else:
        sys.exit(f"vmlinux.py: unknown compression {payload[:6].hex()}")
    kernel = subprocess.run(command, input=payload[:-4], check=False,
                            capture_output=True).stdout
    if len(kernel) != struct.unpack("<I", payload[-4:])[0] or \
            not kernel.startswith(b"\x7fELF"):
        sys.exit(f"vmlinux.py: {command[0]} does not unpack the kernel")
    with open(sys.argv[2], "wb") as file:
        file.write(kernel)


main()
