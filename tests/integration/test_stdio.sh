#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_stdio.sh - programs that begin without standard descriptors do as with them,
# and none says that all went well when what it printed could not be written
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load mitosisd mitosisctl mitosis-bench

mkdir "$mnt"
start sleeper sleep 300
sleeper=$pid

# Whatever is closed, a mount is told as one, and comes back.
for closed in 0 1 2 01 02 12 012; do
	status=0
	(
		[[ $closed = *0* ]] && exec <&-
		[[ $closed = *1* ]] && exec >&-
		[[ $closed = *2* ]] && exec 2>&-
		exec timeout 60 "$tools/mitosisfs" "local:/pid/$sleeper" "$mnt"
	) || status=$?
	[ $status = 0 ] || fail "without $closed mitosisfs ends with $status"
	mountpoint -q "$mnt" || fail "without $closed it says mounted, and is not"
	grep -q '^sleep$' "$mnt/image/comm" || fail "without $closed: no image"
	umount "$mnt"
done

# A daemon, which says so when it serves.
"$tools/mitosisd" --daemon --listen none --socket "$dir/d.sock" \
	--pid-file "$dir/d.pid" <&- >&- 2>&- || fail "mitosisd --daemon: $?"
"$tools/mitosisctl" --socket "$dir/d.sock" ls <&- >ls.out ||
	fail "the daemon does not answer"
status=0
"$tools/mitosisctl" --socket "$dir/d.sock" status >/dev/full 2>why.err ||
	status=$?
[ $status = 1 ] && [ "$(wc -l <why.err)" = 1 ] ||
	fail "an answer that was not written: $status, $(cat why.err)"
daemon=$(<d.pid)
kill "$daemon"
wait_for 20 gone "$daemon"

# full STATUS COMMAND...: what it prints is lost: it says so, with one line.
full() {
	local want=$1 status=0
	shift
	timeout 30 "$@" >said.txt 2>&1 || fail "$*: $? without need"
	timeout 30 "$@" >/dev/full 2>why.err || status=$?
	[ $status = "$want" ] || fail "'$*' >/dev/full ends with $status"
	[ "$(wc -l <why.err)" = 1 ] && grep -q 'cannot write to standard output' why.err ||
		fail "'$*' >/dev/full says: $(cat why.err)"
}
for word in --help --version -h -V; do
	full 2 "$tools/mitosisfs" $word
	full 69 "$tools/mitosis-load" $word
	full 1 "$tools/mitosisd" $word
	full 1 "$tools/mitosisctl" $word
	full 1 "$tools/mitosis-bench" $word
	for name in fork fault rpc transport; do
		full 1 "$tools/mitosis-bench" $name $word
	done
done
kill "$sleeper"
expect_nothing_left
