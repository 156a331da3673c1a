#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cable.sh - the cable out while a mount is in use: soft is EIO in time, hard waits
# and can be killed, never a wrong byte; with the cable in again the same mount
# goes on
LIMIT=300
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosisctl
need_programs cmp

hosts_up
munge_up
start parent env sleep 1000
parent=$pid
daemon_on A
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name an >/dev/null

all_pages() {
	cat "$mnt"/image/vma/*
}

# What is right, by another way than the one that is to fail.
mkdir -p "$mnt"
"$tools/mitosisfs" unix:/image/an "$mnt" -o "socket=$socket"
all_pages >right
umount "$mnt"

# Little is fetched ahead: there shall be something left to fetch.
mount_on B "${address[A]}:/image/an" timeo=20,retrans=1,readahead=4
head -c 4096 "$mnt/image/exe" >/dev/null

cable_out
began=$SECONDS
! all_pages >cut 2>errors || fail "all pages came without a cable"
grep -q 'Input/output error' errors || fail "not EIO: $(cat errors)"
[ $((SECONDS - began)) -lt 120 ] || fail "$((SECONDS - began)) s to EIO"

cable_in
all_pages_are_right() {
	all_pages >again 2>/dev/null && cmp -s again right
}
wait_for 120 all_pages_are_right
grep -qxF "transport: verbs (${device[B]})" "$mnt/status" ||
	fail "not over verbs again: $(grep ^transport "$mnt/status")"
grep -qE '^reconnects: [1-9]' "$mnt/status" ||
	fail "no reconnect: $(cat "$mnt/status")"
umount "$mnt"

mount_on B "${address[A]}:/image/an" timeo=20,hard,readahead=4
head -c 4096 "$mnt/image/exe" >/dev/null
cable_out
all_pages >waited 2>errors &
reader=$!
cat "$mnt/image/by-name/stack" >/dev/null 2>&1 &
killed=$!
waits() {
	grep -q '^state: waiting' "$mnt/status"
}
wait_for 120 waits
kill -9 "$killed"
wait_for 60 gone "$killed"
kill -0 "$reader" || fail "a reader of a hard mount has not waited"
cable_in
expect_exit "$reader" 0 "a reader of a hard mount: $(cat errors)"
cmp waited right || fail "a hard mount brought wrong bytes"
grep -qxF "transport: verbs (${device[B]})" "$mnt/status" ||
	fail "not over verbs again: $(grep ^transport "$mnt/status")"

cable_out
echo 3 >/proc/sys/vm/drop_caches
all_pages >/dev/null 2>&1 &
reader=$!
wait_for 120 waits
timeout 20 umount -f -l "$mnt" || fail "umount -f"
wait_for 60 gone "$reader"
cable_in
stop_daemon
