#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_ended.sh - SIGTERM in the middle of all kinds of work: mitosisfs ends with 0,
# unmounted, and nobody writes to a descriptor that is closed
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs

cat >parent.py <<'END'
import os, time
memory = bytearray(os.urandom(1 << 20)) * 96
os.write(1, b"ready\n")
while True:
    time.sleep(1)
END

# read_all: in the background, until it fails
read_all() {
	cat "$mnt"/image/vma/* >/dev/null 2>&1 || true
}

start parent /usr/bin/python3 parent.py
parent=$pid
wait_ready parent "$parent"
mkdir "$mnt"
is_there() {
	[ -e "$mnt/status" ]
}

# end_in_the_middle OPTIONS NAME
end_in_the_middle() {
	start "$2" "$tools/mitosisfs" -f "local:/pid/$parent" "$mnt" -o "$1"
	server=$pid
	wait_for 20 is_there
	note_connection "$(mountpoint -d "$mnt")"
	read_all &
	reader=$!
	random_pause 120
	kill -TERM "$server"
	expect_exit "$server" 0 "mitosisfs ($1)"
	wait "$reader"
	wait "${reader_of[$2]}" || true
	[ -z "$(our_mounts)" ] || fail "$1: still mounted"
	! grep -q 'fuse:' "$2.out" || fail "$1: it says $(grep fuse: "$2.out")"
}

for i in 1 2 3 4 5 6 7 8; do
	end_in_the_middle mode=eager "eager$i"
	end_in_the_middle mode=eager,warm=off "cold$i"
	end_in_the_middle cache=off "off$i"
done

# In the moment in which mount(2) is over, which this makes long.
end_as_it_mounts() {
	mkdir early
	start early strace -f -qq -o early.strace -e trace=mount \
		-e inject=mount:delay_exit=1000000 \
		"$tools/mitosisfs" -f "local:/pid/$parent" "$dir/early"
	strace=$pid
	wait_for 20 grep -qF " $dir/early " /proc/self/mountinfo
	note_connection "$(awk -v point="$dir/early" '$5 == point { print $3 }' \
		/proc/self/mountinfo)"
	kill -TERM "$(cut -d' ' -f1 "/proc/$strace/task/$strace/children")"
	wait "$strace" || true
	wait "${reader_of[early]}" || true
	[ -z "$(our_mounts)" ] || fail "still mounted, and just so: $(cat early.out)"
}

without=
if command -v strace >/dev/null; then
	end_as_it_mounts
else
	without=" strace"
fi

kill "$parent"
wait "$parent" || true
expect_nothing_left
[ -z "$without" ] || skip "not looked at, for want of$without: SIGTERM in mount(2)"
