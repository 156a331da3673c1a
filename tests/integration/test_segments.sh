#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_segments.sh - System V shared memory: the image has its bytes, and does not
# count as one that has it attached
LIMIT=100
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

# Two maps of one segment, as PostgreSQL and its like have one; the second is read
# alone.  "word" is what both show, "writes W" what is written by the first.
cat >holder.py <<-'END'
	import ctypes, sys
	libc = ctypes.CDLL(None, use_errno=True)
	libc.shmat.restype = ctypes.c_void_p
	libc.shmat.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_int
	segment = libc.shmget(0, 65536, 0o1600)
	assert segment >= 0
	at = libc.shmat(segment, None, 0)
	again = libc.shmat(segment, None, 0o10000)
	ctypes.memmove(at, b"before", 6)
	print("segment", segment, hex(at), flush=True)
	for line in sys.stdin:
	    if line.startswith("write"):
	        ctypes.memmove(at, line.split()[1].encode(), 6)
	    print(ctypes.string_at(at, 6).decode(),
	          ctypes.string_at(again, 6).decode(), flush=True)
END
mkfifo in
/usr/bin/python3 holder.py <in >out.txt &
parent=$!
exec {talk}>in
wait_for 30 grep -q ^segment out.txt
read -r _ segment at <out.txt
attached() {
	awk -v id="$segment" '$2 == id { print $7 }' /proc/sysvipc/shm
}
attached_is() {
	[ "$(attached)" = "$1" ]
}
remove() {
	ipcrm -m "$segment"
}
attached_is 2 || fail "$(attached) have it, not the parent's 2"

mount_image "local:/pid/$parent"
attached_is 2 || { remove; fail "$(attached) have it with an image"; }
kill -9 "$parent"
wait "$parent" || true
attached_is 0 || { remove; fail "$(attached) have it after their end"; }
remove
file=$(ls "$mnt/image/vma" | grep "^$(printf '%x' "$at")-\|^$(printf '%012x' "$at")-")
[ "$(head -c 6 "$mnt/image/vma/$file")" = before ] || fail "the image has other bytes"

# Both maps are one in the child, whose output goes where the parent's went.
mkfifo back
timeout 60 "$tools/mitosis-load" "$mnt/image" <back &
exec {child}>back
echo "write after!" >&$child
wait_for 30 grep -q after out.txt
[ "$(tail -n 1 out.txt)" = "after! after!" ] || fail "the child says $(cat out.txt)"
exec {child}>&-
exec {talk}>&-
wait
umount "$mnt"
