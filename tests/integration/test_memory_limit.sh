#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_memory_limit.sh - in a memory cgroup that is smaller than the image mitosisfs
# lives, stays cold and says so, and its stash is bounded; with room it is as ever
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl

cat >parent.py <<'END'
import os, time
memory = bytearray(os.urandom(1 << 20)) * 128
os.write(1, b"ready\n")
while True:
    time.sleep(1)
END

# A group of version 2 where that has the controller, else of version 1.  The limit
# is that of the group above the server's.
top=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
limit=memory.max
if ! grep -qw memory "$top/cgroup.subtree_control" 2>/dev/null; then
	top=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2 }' \
		/proc/mounts)
	limit=memory.limit_in_bytes
fi
[ -n "$top" ] || skip "there is no memory cgroup"
group=$top/mitosis-test-$$
mkdir -p "$group/inner" 2>/dev/null || skip "no memory cgroup can be made"
[ -e "$group/$limit" ] || skip "a new memory cgroup has no $limit"

# try_limited OPTIONS: mount, with the server in the inner group
try_limited() {
	mkdir -p "$mnt"
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' limited \
		"$group/inner" "$tools/mitosisfs" "$source" "$mnt" \
		-o "port=$port,proto=tcp,nosharecache,$1"
}

mount_limited() {
	try_limited "$1"
	note_connection "$(mountpoint -d "$mnt")"
}

unmount() {
	local pid
	pid=$(server_pid)
	umount "$mnt"
	wait_for 60 gone "$pid"
}

tier() {
	sed -n 's/^tier: //p' "$mnt/status"
}

is_complete() {
	[ -e "$mnt/status" ] || fail "nobody answers: $*"
	[ "$(sed -n 's/^eager: //p' "$mnt/status")" = complete ]
}

read_all() {
	cat "$mnt"/image/vma/* >/dev/null 2>&1 || true
	[ -e "$mnt/status" ] || fail "nobody answers: $*"
}

start parent /usr/bin/python3 parent.py
parent=$pid
wait_ready parent "$parent"
start_daemon
ctl prepare "$parent" --name large >/dev/null
source=127.0.0.1:/image/large

echo 50M >"$group/$limit"
mount_limited mode=eager
wait_for 60 is_complete "mode=eager"
case $(tier) in
"cold (this kernel has no"* | "cold (mitosisfs has no"*) can_be_warm= ;;
"cold (not enough memory is available)") can_be_warm=1 ;;
*) fail "tier: $(tier)" ;;
esac
read_all mode=eager
unmount
if [ "$can_be_warm" ]; then
	refused "not enough memory is available" try_limited \
		mode=eager,warm=require
fi

# What a stash in memory takes by itself, and what somebody has said.
mount_limited cache=stash
read_all cache=stash
[ "$(counter stash_max_bytes)" -lt $((25 << 20)) ] ||
	fail "a stash of $(counter stash_max_bytes) bytes"
[ "$(counter stash_evicted_pages)" -gt 0 ] || fail "all of it fits"
unmount
mount_limited cache=stash,cache_size=40M
[ "$(counter stash_max_bytes)" = $((40 << 20)) ] ||
	fail "a stash of $(counter stash_max_bytes) bytes, not of 40 MiB"
unmount

echo 1G >"$group/$limit"
mount_limited mode=eager,eager=wait,cache=stash
[ ! "$can_be_warm" ] || [ "$(tier)" = warm ] || fail "tier: $(tier)"
[ "$(counter stash_max_bytes)" -gt $((128 << 20)) ] ||
	fail "a stash of $(counter stash_max_bytes) bytes"
unmount

kill "$parent"
wait "$parent" || true
stop_daemon
rmdir "$group/inner" "$group"
expect_nothing_left
[ "$can_be_warm" ] || skip "this kernel cannot warm: only the stash was looked at"
