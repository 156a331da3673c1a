#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# export.sh - a snapshot's own memory, read by a device: right, without a copy, and
# only until it is taken back
LIMIT=200
. "$(dirname "$0")/../lib.sh"

hosts_up
probe=$build/tests/vm/export_probe
[ -x "$probe" ] || skip "built without RDMA"

# Regions of processes, and of dead ones, which have no pid any more; the kernel has
# some of its own for its connection manager.
regions() {
	rdma resource show mr | grep -vc 'comm \[' || true
}

# probe NAME WHAT...: run it to its end, with a look at what is left.
probe() {
	local name=$1 input
	shift
	mkfifo "$dir/$name.in"
	"$probe" rxeA rxeB "$@" <"$dir/$name.in" >"$dir/$name.out" 2>&1 &
	pid=$!
	exec {input}>"$dir/$name.in"
	wait_for 120 ended_or_dead "$dir/$name.out" $pid
	[ "$(regions)" = 0 ] || fail "regions are left: $(rdma resource show mr)"
	exec {input}>&-
	expect_exit $pid 0 "the probe of $name"
	cat "$dir/$name.out"
}

ended_or_dead() {
	has_line "$1" ended || ! kill -0 "$2" 2>/dev/null
}

[ "$(regions)" = 0 ] || fail "there are regions before: $(rdma resource show mr)"

# A parent with no rights that rewrites all it has after the image.
probe poor poor
grep -q 'anonymous memory' "$dir/poor.out" || fail "the probe said nothing"
[ "$(awk '/^lent/ { print $NF - 1 > "/dev/null"; n += $(NF - 1) < 4096 } END { print n }' \
	"$dir/poor.out")" = 2 ] || fail "registering copies"

# A real program, with libraries, threads and numpy.
start python /usr/bin/python3 -c '
import numpy, sys, time
kept = numpy.arange(2_000_000)
print("ready", flush=True)
time.sleep(1000)'
python=$pid
wait_ready python $python
probe python $python
kill -0 $python || fail "the parent is gone"
[ "$(ls "/proc/$python/fd" | wc -l)" = 3 ] || fail "the parent has other files"
kill $python
expect_exit $python 143 "the parent"

# Pinned it is a copy, and works for the same parent all the same.
probe pinned poor pin

# Keeper and lender die while they register: what they had got is taken back.
probe dying poor die
expect_nothing_left
