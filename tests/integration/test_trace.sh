#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_trace.sh - what a first child looks at is kept, shown, and brought to the
# next one before it asks
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl mitosis-load

cat >parent.py <<'END'
import ctypes, mmap, os, sys, time
area = mmap.mmap(-1, 4096 * 4096)
for page in range(4096):
    area[page * 4096] = page % 251 + 1
base = ctypes.addressof(ctypes.c_char.from_buffer(area))
os.write(1, b"%x\nready\n" % base)
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
os.write(1, b"ok\n" if area[4096 * 4000] == 4000 % 251 + 1 else b"wrong\n")
END

# touch.py FILE BASE PAGE...: look at these pages of the area, in this order
cat >touch.py <<'END'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
with mmap.mmap(fd, 4096 * 4096, mmap.MAP_PRIVATE, mmap.PROT_READ,
               offset=int(sys.argv[2], 16)) as area:
    for page in map(int, sys.argv[3:]):
        assert area[page * 4096] == page % 251 + 1, page
END

is_traced() {
	[ "$(ctl trace "$1" | tail -1)" = "$2" ]
}

is_replayed() {
	grep -qx 'replay: complete' "$mnt/status"
}

mkdir work
start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
base=$(head -1 parent.out)
start_daemon
proto=port=$port,proto=tcp
pages=(3000 7 8 9 100 50 2000)
ctl prepare "$parent" --name first >/dev/null
is_traced first "0 pages in 0 runs" || fail "a trace of nobody"

# Without a trace there is nothing to bring, and that is no failure.
mount_image "127.0.0.1:/image/first" "$proto,readahead=4,prefetch=trace"
! grep -q ^replay "$mnt/status" || fail "something was replayed"
umount "$mnt"

# Recorded by the first mount: these pages, in this order.
mount_image "127.0.0.1:/image/first" "$proto,mode=cow"
/usr/bin/python3 touch.py "$mnt/image/.space" "$base" "${pages[@]}"
wait_for 20 is_traced first "7 pages in 5 runs"
umount "$mnt"
ctl --json trace first >trace.json
/usr/bin/python3 - "$base" <<'END' || fail "$(cat trace.json)"
import json, sys
base = int(sys.argv[1], 16)
trace = json.load(open("trace.json"))
assert trace["image"] == "first" and trace["pages"] == 7
assert [((int(run["address"], 16) - base) // 4096, run["pages"])
        for run in trace["runs"]] == [(3000, 1), (7, 3), (100, 1), (50, 1),
                                      (2000, 1)]
END

# A later mount does not change it.
mount_image "127.0.0.1:/image/first" "$proto,mode=cow"
/usr/bin/python3 touch.py "$mnt/image/.space" "$base" 1 2 3
umount "$mnt"
is_traced first "7 pages in 5 runs" || fail "the second child was recorded"

# Brought before anybody asks, and nothing else; then nobody needs to.
mount_image "127.0.0.1:/image/first" "$proto,readahead=4,prefetch=trace"
wait_for 20 is_replayed
lost=$(lost_pages)
[ "$(counter pages_prefetch)" = 7 ] || fail "$(counter pages_prefetch) pages came"
[ "$(counter reads_demand)" = 0 ] || fail "somebody asked"
/usr/bin/python3 touch.py "$mnt/image/.space" "$base" "${pages[@]}"
came=$(counter bytes_read)
[ "$came" -le $(((7 + $(lost_pages) - lost) * 4096)) ] ||
	fail "the trace's pages were fetched again: $came"
umount "$mnt"

# The next image inherits it, and by itself brings that with what the kernel
# reads around what was recorded page by page.
ctl prepare "$parent" --name heir >/dev/null
is_traced heir "7 pages in 5 runs, of an earlier image" || fail "no heir"
/usr/bin/python3 - "$(ctl --json trace heir)" <<'END' || fail "not inherited"
import json, sys
assert json.loads(sys.argv[1])["inherited"] is True
assert json.load(open("trace.json"))["inherited"] is False
END
mount_image "127.0.0.1:/image/heir" "$proto,readahead=4"
is_foreseen() {
	[ "$(counter pages_likely)" -ge $((32 + 25 + 32 + 32 + 32)) ]
}
wait_for 20 is_foreseen
/usr/bin/python3 touch.py "$mnt/image/.space" "$base" "${pages[@]}"
[ "$(counter pages_likely_used)" = 7 ] ||
	fail "$(counter pages_likely_used) foreseen pages were used"
[ "$(counter bytes_read)" = $(($(counter pages_likely) * 4096)) ] ||
	fail "$(counter bytes_read) bytes came for $(counter pages_likely) pages"
umount "$mnt"

# Of an image that is gone, too; and what its own child does takes its place.
ctl release first >/dev/null
ctl release heir >/dev/null
ctl prepare "$parent" --name heir >/dev/null
is_traced heir "7 pages in 5 runs, of an earlier image" || fail "no late heir"
mount_image "127.0.0.1:/image/heir" "$proto,mode=cow"
/usr/bin/python3 touch.py "$mnt/image/.space" "$base" 1 2 3
wait_for 20 is_traced heir "3 pages in 1 runs"
umount "$mnt"

# A child's own, from its first instruction to its end.
ctl prepare "$parent" --name second >/dev/null
mount_image "127.0.0.1:/image/second" "$proto,readahead=4"
start child "$tools/mitosis-load" "$mnt/image"
child=$pid
random_pause 300
touch work/go
expect_exit "$child" 0 "the first child"
has_line child.out ok || fail "the first child did not say ok"
expect_exit "$parent" 0 "the parent"
asked=$(counter reads_demand)
is_child_traced() {
	[ "$(ctl trace second | tail -1 | grep -c 'of an earlier')" = 0 ]
}
wait_for 20 is_child_traced
umount "$mnt"
mount_image "127.0.0.1:/image/second" "$proto,readahead=4,prefetch=trace"
wait_for 20 is_replayed
lost=$(lost_pages)
start again "$tools/mitosis-load" "$mnt/image"
expect_exit "$pid" 0 "the next child"
has_line again.out ok || fail "the next child did not say ok"
asked_again=$(counter reads_demand)
[ "$asked_again" -lt $((asked + $(lost_pages) - lost)) ] ||
	fail "the next child asked $asked_again times, the first $asked"
umount "$mnt"

# Who may not read the image may not know its traces.
if command -v setpriv >/dev/null; then
	chmod 777 "$socket"
	status=0
	setpriv --reuid 65534 --clear-groups "$tools/mitosisctl" \
		--socket "$socket" trace heir >denied.txt 2>&1 || status=$?
	[ $status = 1 ] && ! grep -q ' pages' denied.txt ||
		fail "a stranger: $status, $(cat denied.txt)"
fi

# Refused with the reason.
for wrong in "127.0.0.1:/pid/$$ prefetch=trace" \
	"127.0.0.1:/image/heir mode=cow,prefetch=trace" \
	"127.0.0.1:/image/heir prefetch=trace,prefetch_pages=3"; do
	status=0
	"$tools/mitosisfs" "${wrong% *}" "$mnt" -o "$proto,${wrong#* }" 2>why.txt ||
		status=$?
	[ $status = 1 ] && [ "$(wc -l <why.txt)" = 1 ] ||
		fail "$wrong: $status, $(cat why.txt)"
done
ctl release heir >/dev/null
! ctl trace heir >/dev/null 2>&1 || fail "a trace of no image"
stop_daemon
expect_nothing_left
