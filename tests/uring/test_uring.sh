#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_uring.sh - a mount whose questions come over io_uring: it says so, its bytes
# are those of /dev/fuse, readers and mitosisfs may be killed, and where it is
# switched off that is said.  tests/uring/run starts it.
. "$(dirname "$0")/../integration/lib.sh"
need_tools mitosisfs mitosisd mitosisctl
knob=/sys/module/fuse/parameters/enable_uring
[ "$(cat $knob)" = Y ] || skip "$knob is not Y"

cat >uring.py <<'END'
import hashlib, os, time
blocks = [hashlib.shake_128(b"%d" % i).digest(1 << 16) for i in range(400)]
os.write(1, b"ready\n")
time.sleep(600)
END
start parent /usr/bin/python3 uring.py
parent=$pid
wait_ready parent "$parent"

says() {
	[ "$(counter fuse)" = "$1" ] || fail "not over $1 but $(counter fuse)"
	/usr/bin/python3 -c 'import json, sys
assert json.load(open(sys.argv[1]))["fuse"] == sys.argv[2]' \
		"$mnt/status.json" "$1" || fail "status.json does not say $1"
}

# 1. By itself for an image of this host; never for one that comes from afar.
unset MITOSIS_MOUNT
mount_image "local:/pid/$parent"
says io_uring
umount "$mnt"
start_daemon
ctl prepare "$parent" --name kept >said
mount_image 127.0.0.1:/image/kept "port=$port,nosharecache"
says dev
cat "$mnt"/image/vma/* | sha256sum >sum.dev
umount "$mnt"

# 2. Eight readers at once, on all CPUs, have the bytes that /dev/fuse brings.
mount_image 127.0.0.1:/image/kept "port=$port,nosharecache,fuse=io_uring"
says io_uring
readers=()
for i in 1 2 3 4 5 6 7 8; do
	cat "$mnt"/image/vma/* 2>cat.err | sha256sum >"sum.$i" &
	readers+=($!)
done
wait "${readers[@]}" || fail "a reader ended with $?"
for i in 1 2 3 4 5 6 7 8; do
	cmp sum.dev "sum.$i" || fail "reader $i has other bytes"
done
umount "$mnt"

# 3. Readers are killed in the middle; the mount lives on, and can be left.
mount_image 127.0.0.1:/image/kept "port=$port,nosharecache,fuse=io_uring"
for i in 1 2 3; do
	cat "$mnt"/image/vma/* >/dev/null 2>&1 &
	random_pause 30
	kill -9 $! 2>/dev/null || true
done
wait_for 20 umount "$mnt"

# 4. mitosisfs is killed under a reader: an error, and no hang.
mount_image "local:/pid/$parent" fuse=io_uring
server=$(ours | xargs -n1 -I{} sh -c \
	'[ "$(cat /proc/{}/comm)" != mitosisfs ] || echo {}' | head -1)
while cat "$mnt"/image/vma/* >/dev/null 2>&1; do :; done &
reader=$!
random_pause 100
kill -9 "$server"
wait_for 20 gone "$reader"
umount -l "$mnt"

# 5. Switched off: /dev/fuse by itself, and a word where it was asked for.
echo N >$knob
mount_image "local:/pid/$parent"
says dev
umount "$mnt"
refused "enable_uring is N" "$tools/mitosisfs" "local:/pid/$parent" "$mnt" \
	-o fuse=io_uring
echo Y >$knob
kill -9 "$parent"
stop_daemon
