#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_lease.sh - a mount keeps the image that it shows, and no other one that has
# its name
LIMIT=100
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs

is_there() {
	ctl list | grep -q "^$1 "
}
is_gone() {
	! is_there "$1"
}

start parent sleep 1000
parent=$pid
start_daemon

# It is there when one with a longer lease has ended.
ctl prepare --name kept --lease 6s "$parent" >/dev/null
ctl prepare --name left --lease 9s "$parent" >/dev/null
mount_image unix:/image/kept "socket=$socket"
wait_for 30 is_gone left
is_there kept || fail "a mount did not keep its image"

# Its successor has nobody: it ends, though the mount is still there.
ctl release kept
ctl prepare --name kept --lease 6s "$parent" >/dev/null
wait_for 30 is_gone kept
mountpoint -q "$mnt" || fail "the mount of an image that was released is gone"

# By its name anybody who may can keep any image.
ctl prepare --name kept --lease 6s "$parent" >/dev/null
ctl prepare --name left --lease 9s "$parent" >/dev/null
renew_until_left_is_gone() {
	ctl renew kept >/dev/null
	is_gone left
}
wait_for 30 renew_until_left_is_gone
is_there kept || fail "mitosisctl renew does not renew by name"

umount "$mnt"
stop_daemon
kill "$parent"
expect_nothing_left
