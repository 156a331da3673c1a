#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_moved.sh - SIGTERM unmounts, also what is no longer where it was mounted; and
# nothing else: what is there now stays
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs
need_programs setpriv fusermount3

# Root may not look into a user's.
mounted() {
	[ -n "$(awk -v point="$dir/$1" '$5 == point' /proc/self/mountinfo)" ]
}

# serve POINT [AS...]: mount there, by AS, in the foreground; sets $served
serve() {
	local point=$1 name=server-$((++servers))
	shift
	start "$name" "$@" "$tools/mitosisfs" -f "local:/pid/$sleeper" "$dir/$point"
	served=$pid
	wait_for 20 mounted "$point"
	note_connection "$(awk -v point="$dir/$point" '$5 == point { print $3 }' \
		/proc/self/mountinfo)"
}

stop() {
	kill -TERM "$served"
	expect_exit "$served" 0 "mitosisfs ($1)"
}

# not_mounted WHAT POINT
not_mounted() {
	! mounted "$2" || fail "$1: $2 is still mounted"
	[ -d "$2" ] || fail "$1: $2 is dead"
}

start sleeper sleep 300
sleeper=$pid

mkdir -p a/mnt
serve a/mnt
mv a b
stop "moved"
not_mounted "moved" b/mnt

# Others are where it was: one of any kind, and one of its own.
mv b a
serve a/mnt
mv a b
mkdir -p a/mnt
mount -t tmpfs none a/mnt
stop "a tmpfs is there"
not_mounted "a tmpfs is there" b/mnt
umount a/mnt
serve b/mnt
first=$served
mv b c
mkdir -p b/mnt
serve b/mnt
second=$served
served=$first
stop "another image is there"
not_mounted "another image is there" c/mnt
[ -e b/mnt/status ] || fail "the other image was unmounted"
served=$second
stop "the second"
not_mounted "the second" b/mnt

# More mounts of it, and not the first.
mkdir d e
serve a/mnt
mount --bind a/mnt d
mount --bind a/mnt e
umount a/mnt
stop "bound"
not_mounted "bound" d
not_mounted "bound" e

# A user's, by fusermount3.
kill "$sleeper"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
start his "${nobody[@]}" sleep 300
sleeper=$pid
mkdir -p f/mnt
chown -R 65534:65534 f
serve f/mnt "${nobody[@]}"
mv f g
stop "a user's"
not_mounted "a user's" g/mnt

kill "$sleeper"
expect_nothing_left
