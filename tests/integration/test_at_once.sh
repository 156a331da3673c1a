#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_at_once.sh - many images of one process that are wanted at the same moment
#
# All are had, whether by one daemon, by two, or by as many mounts of this host, and
# the process is none the worse.
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs

PREPARES=32
MOUNTS=16

# expect_all PID...: of what was begun in the background
expect_all() {
	local one bad=0
	for one; do
		wait "$one" || bad=$((bad + 1))
	done
	[ $bad = 0 ] || fail "$bad of $# failed: $(sort -u "$dir"/*.say)"
}

prepare_all() {
	local i jobs=()
	for i in $(seq "$1"); do
		ctl prepare "$parent" >"$dir/prepare.$i.say" 2>&1 &
		jobs+=($!)
	done
	expect_all "${jobs[@]}"
}

mount_all() {
	local i jobs=()
	for i in $(seq "$1"); do
		mkdir -p "$dir/at.$i"
		timeout 60 "$tools/mitosisfs" "local:/pid/$parent" "$dir/at.$i" \
			>"$dir/mount.$i.say" 2>&1 &
		jobs+=($!)
	done
	expect_all "${jobs[@]}"
	for i in $(seq "$1"); do
		note_connection "$(mountpoint -d "$dir/at.$i")"
		[ -e "$dir/at.$i/image/mem" ] || fail "mount $i has no image"
		umount "$dir/at.$i"
	done
}

mkdir work
start parent "$zoo/zoo_threads" "$dir/work"
parent=$pid
wait_ready parent "$parent"
before=$(portrait "$parent")

start_daemon
prepare_all $PREPARES
[ "$(ctl list | grep -c "$parent")" = $PREPARES ] || fail "images are missing"
mount_all $MOUNTS

# Two daemons and mounts, none of which knows of the others' images.
socket_of_second=$dir/second.sock
start second "$tools/mitosisd" --listen none --socket "$socket_of_second"
second=$pid
wait_for 20 test -S "$socket_of_second"
(prepare_all 6) &
at_first=$!
(
	socket=$socket_of_second
	dir=$dir/of-second
	mkdir "$dir"
	prepare_all 6
) &
at_second=$!
mount_all 6
expect_all $at_first $at_second

kill -TERM $second
expect_exit $second 0 "the second daemon"
stop_daemon
[ "$(portrait "$parent")" = "$before" ] || fail "the parent has changed"
touch work/go
expect_ok parent "$parent"
expect_nothing_left
