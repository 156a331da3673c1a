#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_fsize.sh - under RLIMIT_FSIZE (ulimit -f, LimitFSIZE=) a file that may not be as
# long as it should is an error with words, or is done without; SIGXFSZ kills nobody
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs mitosis-load

words=RLIMIT_FSIZE

# What is said goes through pipes: a log may be longer already.
limited() (
	ulimit -f 64 # KiB
	exec "$@"
)

# mount_limited OPTIONS
mount_limited() {
	limited timeout 30 "$tools/mitosisfs" "local:/pid/$sleeper" "$mnt" -o "$1" \
		2>&1 | cat >mount.out || fail "with $1 it does not mount"
	note_connection "$(mountpoint -d "$mnt")"
	head -c 4 "$mnt/core" | cat -v >head.out || fail "with $1 it cannot be read"
	grep -q ELF head.out || fail "with $1 it is no image"
}

ignored() {
	awk '$1 == "SigIgn:" { print $2 }' "/proc/$1/status"
}

mkdir "$mnt" stash
chmod 700 stash
start sleeper sleep 1000
sleeper=$pid
wait_for 10 grep -qx sleep "/proc/$sleeper/comm"
before=$(portrait "$sleeper")

mount_limited mode=eager,eager=wait
grep -q "^tier: cold (.*$words" "$mnt/status" || fail "$(grep ^tier "$mnt/status")"
umount "$mnt"

mount_limited "stash=$dir/stash"
grep -q "^stash: none: .*$words" "$mnt/status" || fail "$(grep ^stash "$mnt/status")"
grep -q "without a stash: .*$words" mount.out || fail "it is not said"
# What mitosisfs and the keeper do with the signal is not the child's.
load_child local-shared child
wait_for 20 test -s child.pid
child=$(cat child.pid)
[ "$(ignored "$child")" = "$(ignored "$sleeper")" ] ||
	fail "the child ignores $(ignored "$child")"
kill -KILL "$child"
wait "$loader" || true
umount "$mnt"
[ "$(portrait "$sleeper")" = "$before" ] || fail "the parent has changed"

# What must be in the image, and does not fit, is why there is none.
start sharer /usr/bin/python3 -c 'import mmap, time
held = mmap.mmap(-1, 16 << 20)
held.write(b"x" * len(held))
print("ready", flush=True)
time.sleep(1000)'
sharer=$pid
wait_ready sharer "$sharer"
refused "$words" limited "$tools/mitosisfs" "local:/pid/$sharer" "$mnt"
# A log that is full is no end of the daemon.
truncate -s 64K daemon.log
socket=$dir/run/control.sock
limited "$tools/mitosisd" --listen none --socket "$socket" 2>>daemon.log &
wait_for 20 test -S "$socket"
refused "$words" ctl prepare "$sharer"
ctl prepare "$sleeper" >prepare.out || fail "the daemon takes no image any more"

for pid in $(ours); do
	kill -KILL "$pid"
done 2>/dev/null
wait
expect_nothing_left
