#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_late.sh - what a mount or a question does not need is not loaded for it
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisctl mitosisd
need_programs readelf nm

heavy='gnutls|ibverbs|rdmacm|munge'
for name in mitosisfs mitosisctl; do
	nm "$tools/$name" >symbols
	grep -q ' late_resolve$' symbols || skip "built with sanitizers"
	needed=$(readelf -d "$tools/$name" | grep NEEDED)
	grep -E "$heavy" <<<"$needed" &&
		fail "$name: a function of it is missing in tools/late_stubs.S"
done

# the_libraries: those of them that the server of $mnt has loaded.
the_libraries() {
	local server
	server=$(pgrep -f "^$tools/mitosisfs.* $mnt( |\$)" | head -1)
	sed -nE "s,.*/lib($heavy)\.so.*,\1,p" "/proc/$server/maps" | sort -u |
		xargs
}

start sleeper sleep 300
sleeper=$pid
start_daemon
mount_image "local:/pid/$sleeper"
[ -z "$(the_libraries)" ] || fail "local: $(the_libraries) was loaded"
umount "$mnt"
mount_image "127.0.0.1:/pid/$sleeper" "port=$port"
[ -z "$(the_libraries)" ] || fail "tcp: $(the_libraries) was loaded"
umount "$mnt"

# A library is loaded when something of it is called, and what it says arrives.
status=0
"$tools/mitosisfs" "127.0.0.1:/pid/$sleeper" "$mnt" -o proto=rdma,port=1 \
	2>why.err || status=$?
[ $status = 32 ] && [ "$(wc -l <why.err)" = 1 ] ||
	fail "proto=rdma: $status, $(cat why.err)"

kill "$sleeper"
stop_daemon
expect_nothing_left
