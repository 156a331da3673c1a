#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_odd_names.sh - what a process calls its threads, where it is and how it has
# cut its heap is its own affair: an image of it can be read and copied whole
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs

cat >odd.py <<'END'
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
for _ in range(20):  # 4000 bytes below where we begin
    os.mkdir("d" * 199)
    os.chdir("d" * 199)
while True:  # and as long as a path can be
    room = 4094 - len(os.getcwd()) - 1
    if room < 1:
        break
    os.mkdir("e" * min(room, 200))
    os.chdir("e" * min(room, 200))
libc.prctl(15, b"\\a\nUid:\t0", 0, 0, 0)
libc.sbrk.restype = ctypes.c_void_p
page = (libc.sbrk(1 << 20) + 4095) & ~4095
for at in (page + (4 << 12), page + (9 << 12)):
    assert libc.mprotect(ctypes.c_void_p(at), 4096, 1) == 0
print("ready", flush=True)
input()
END
mkfifo go
start odd bash -c 'exec /usr/bin/python3 odd.py <go'
odd=$pid
exec 8>go
wait_ready odd "$odd"
mount_image "local:/pid/$odd"
image=$mnt/image

# As the kernel has it, and no line of it is the thread's.
diff <(grep -E '^(Name|Uid):' "/proc/$odd/status") \
	<(grep -E '^(Name|Uid):' "$image/task/$odd/status") || fail "status"
cmp "/proc/$odd/comm" "$image/task/$odd/comm" || fail "comm"

# Each piece of the heap has a name.
grep -F '[heap]' "$image/maps" | cut -d' ' -f1 >wanted
[ "$(wc -l <wanted)" -ge 5 ] || fail "the heap is in one piece"
for name in heap $(seq -f 'heap.%g' "$(($(wc -l <wanted) - 1))"); do
	basename "$(readlink "$image/by-name/$name")"
done >pieces
diff wanted pieces || fail "the pieces of the heap"

[[ $(readlink "$image/cwd") = parent:$dir/ddd* ]] || fail "cwd: $?"
cp -a "$image" copy || fail "it cannot be copied"
[ "$(readlink copy/cwd)" = "$(readlink "$image/cwd")" ] || fail "the copy's cwd"

umount "$mnt"
exec 8>&-
wait "$odd" || true
expect_nothing_left
