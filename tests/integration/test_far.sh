#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_far.sh - over a long link what a child is likely to look at is here before
# it asks, once; nothing is brought that nobody can guess, nor for tools, nor where
# it was not wanted; and a link that breaks meanwhile does no harm
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl mitosis-load

areas=16 pages=128 big=4096
cat >parent.py <<'END'
import mmap, os, sys, time
go, areas, pages, big = sys.argv[1], *map(int, sys.argv[2:])
def area(nr, seed):
    it = mmap.mmap(-1, nr << 12, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    it.madvise(mmap.MADV_NOHUGEPAGE)
    for page in range(nr):
        it[page << 12] = (page * 7 + seed) % 251
    return it
small, gaps = [], []
for i in range(areas):
    small.append(area(pages, i))
    gaps.append(mmap.mmap(-1, 4096, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
large = area(big, 100)
gaps.append(mmap.mmap(-1, 4096, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
def look():
    return all(it[page << 12] == (page * 7 + i) % 251
               for i, it in enumerate(small) for page in range(0, pages))
assert look()
os.write(1, b"ready\n")
while not os.path.exists(go):
    time.sleep(0.05)
os.write(1, b"right\n" if look() else b"wrong\n")
END
# Away from our process group: with one of it stopped a group may get SIGHUP.
start parent setsid /usr/bin/python3 parent.py "$dir/go" $areas $pages $big
parent=$pid
wait_ready parent "$parent"
kill -STOP "$parent"
start_daemon
ctl prepare "$parent" --name far >/dev/null

# A link of 2 ms each way.
start relay /usr/bin/python3 "$here/relay.py" "$port" inf 2
relay=$pid
wait_ready relay "$relay"
far_port=$(head -n 1 relay.out)

# fresh PORT [OPTIONS]: nothing of the image is on this host.
fresh() {
	rm -f "$dir/go"
	! mountpoint -q "$mnt" || umount "$mnt"
	mount_image "127.0.0.1:/image/far" "port=$1,proto=tcp,nosharecache${2:+,}${2-}"
}

metric() {
	awk -v name="$1" '$1 == name { print $2 }' "$mnt/metrics"
}

# Faults that waited for a fetch of their own.
waited() {
	awk '$1 == "fault_us_fetched:" { print $2 }' "$mnt/status"
}

# The stream has come to its end: no page in half a second.
is_over() {
	local before
	before=$(counter pages_likely)
	sleep 0.5
	[ "$before" -ge $((areas * pages)) ] &&
		[ "$(counter pages_likely)" = "$before" ]
}

# right NAME: the child that was loaded as NAME finds what it should.
right() {
	touch "$dir/go"
	expect_exit "$loader" 0 "the child $1"
	wait "${reader_of[$1]}" || true
	has_line "$1.out" right || fail "the child $1 has other bytes"
}

fresh "$far_port"
ls -lR "$mnt/image" >/dev/null
cat "$mnt"/image/vma/* >/dev/null
[ "$(counter pages_likely)" = 0 ] || fail "pages are streamed for tools"

fresh "$far_port"
load_child tcp-shared first
wait_for 60 is_over
likely=$(counter pages_likely) used=$(counter pages_likely_used)
before=$(waited)
[ "$likely" -lt $(($(counter pages_present) - big + 1)) ] ||
	fail "$likely pages are likely: the large area is among them"
right first
more=$(($(waited) - before))
echo "$likely likely, $used used before, $(counter pages_likely_used) after, $more waited"
[ $more -lt $areas ] || fail "$more faults waited for the link"
[ $(($(counter pages_likely_used) - used)) -ge $((areas * pages)) ] ||
	fail "what is likely was not used"
[ "$(counter bytes_read)" -le $(($(counter pages_present) * 4096)) ] ||
	fail "pages came twice"

# Behind the last user what was not used is let go of, and no page comes again.
is_dropped() {
	local all used dropped
	all=$(metric mitosisfs_likely_bytes_total)
	used=$(metric mitosisfs_likely_used_bytes_total)
	dropped=$(metric 'mitosisfs_prefetch_waste_bytes_total{why="dropped"}')
	[ "$dropped" -gt 0 ] && [ "$all" -ge "$used" ]
}
wait_for 20 is_dropped
moved=$(counter bytes_read)
load_child tcp-shared second
right second
[ "$(counter pages_likely_used)" -ge $((areas * pages)) ] || fail "counts go back"
[ $(($(counter bytes_read) - moved)) -lt $((areas * pages * 4096)) ] ||
	fail "a second child has all of it come again"

# The link breaks while pages are streamed, and is there again.
fresh "$far_port" hard
load_child tcp-shared broken
kill -USR1 "$relay"
wait_for 20 has_line relay.out cut
kill -USR2 "$relay"
wait_for 20 has_line relay.out open
right broken

for options in mode=cow prefetch=off prefetch=next prefetch=seq; do
	fresh "$far_port" $options
	load_child tcp-shared "child-${options#*=}"
	right "child-${options#*=}"
	[ "$(counter pages_likely)" = 0 ] || fail "$options: pages are streamed"
done

umount "$mnt"
kill -TERM "$relay"
wait "$relay" || true
stop_daemon
kill -9 "$parent"
wait "$parent" || true
expect_nothing_left
