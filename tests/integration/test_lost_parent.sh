#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_lost_parent.sh WAY WHO - lose one side while the child still needs pages
#
# WHO is "parent": the imaged process itself, which must not matter, as the twin
# holds the image; or "server": what serves the pages.  Then what is not here
# yet is an error (EIO, SIGBUS), within the timeout, and never wrong bytes.
. "$(dirname "$0")/lib.sh"
way=$1 who=$2
need_tools mitosisfs mitosis-load mitosisd

work=$dir/work
mkdir "$work"
start parent "$zoo/zoo_lazy" "$work"
parent=$pid
wait_ready parent "$parent"
take_image "$way" "$parent" timeo=20,retrans=1
# The area that the child will look at: the largest.
area=$(ls -S "$mnt"/image/vma/* | head -1)
whole=$(sha256sum <"$area")
echo 3 >/proc/sys/vm/drop_caches
load_child "$way" child

# The processes that hold pages: the daemon, and all that it started.
servers() {
	local pid
	for pid in $(ours); do
		[ "$(readlink "/proc/$pid/exe")" != "$tools/mitosisd" ] ||
			echo "$pid"
	done
}

if [ "$who" = parent ]; then
	kill -9 "$parent"
	wait "$parent" || true
	[ "$whole" = "$(sha256sum <"$area")" ] ||
		fail "the image changed when its parent died"
	touch "$work/go"
	expect_ok child "$loader"
	drop_image "$way"
	expect_nothing_left
	exit
fi

kill -9 "$daemon"
wait "$daemon" || true
for pid in $(servers); do
	kill -9 "$pid" 2>/dev/null || true
done
# An area is whole or an error, and soon.
status=0
timeout 90 cat "$area" >bytes 2>cat.err || status=$?
[ $status != 124 ] || fail "reading the image hangs"
if [ $status = 0 ]; then
	[ "$whole" = "$(sha256sum <bytes)" ] || fail "wrong bytes"
else
	grep -q 'Input/output error\|Stale file handle' cat.err ||
		fail "the error is $(head -1 cat.err)"
fi
touch "$work/go"
expect_ok parent "$parent"
# The child got all that it needs, or died; it never saw something else.
wait "$loader" || true
! grep -q '^fail' child.out || fail "the child read wrong bytes"
timeout 60 umount "$mnt" || fail "umount hangs"
expect_nothing_left
