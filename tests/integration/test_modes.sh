#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_modes.sh - mode=cow, prefetch and eager: what is moved, and what is told
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosis-load

cat >parent.py <<'END'
import ctypes, mmap, os, sys, time
area = mmap.mmap(-1, 4096 * 4096)
for page in range(0, 4096, 2):          # every other page: single pages
    area[page * 4096] = page % 251 + 1
solid = bytearray(8 << 20)
for at in range(0, len(solid), 4096):
    solid[at] = at // 4096 % 251 + 1
base = ctypes.addressof(ctypes.c_char.from_buffer(area))
heap = ctypes.addressof(ctypes.c_char.from_buffer(solid))
os.write(1, b"%x %x\nready\n" % (base, heap))
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
os.write(1, b"ok\n" if area[4096 * 4000] == 4000 % 251 + 1 else b"wrong\n")
END

# touch.py FILE BASE: look at 100 pages of the sparse area, scattered
cat >touch.py <<'END'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
base = int(sys.argv[2], 16)
with mmap.mmap(fd, 4096 * 4096, mmap.MAP_PRIVATE, mmap.PROT_READ,
               offset=base) as area:
    for page in range(0, 4000, 40):
        assert area[page * 4096] == page % 251 + 1, page
END

is_complete() {
	grep -qx 'eager: complete' "$mnt/status"
}

mkdir work
start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
read -r base heap <parent.out
start_daemon
source=127.0.0.1:/pid/$parent
proto=port=$port,proto=tcp

# cow: one page a fault, and nothing else.
mount_image "$source" "$proto,mode=cow"
/usr/bin/python3 touch.py "$mnt/image/.space" "$base"
[ "$(counter reads_demand)" = 100 ] || fail "cow: $(counter reads_demand) reads"
[ "$(counter pages_demand)" = 100 ] || fail "cow: $(counter pages_demand) pages"
[ "$(counter bytes_read)" = 409600 ] || fail "cow: $(counter bytes_read) bytes"
[ "$(counter pages_prefetch)" = 0 ] || fail "cow brings pages ahead"
[ "$(counter mode)" = cow ] || fail "mode is $(counter mode)"
umount "$mnt"

# readahead: no request is larger, and a swept file's are nearly that large.
for kib in 64 1024; do
	mount_image "$source" "$proto,readahead=$kib"
	dd if="$mnt/image/.space" of=/dev/null bs=4K count=2048 iflag=skip_bytes \
		skip=$((0x$heap)) status=none
	average=$(($(counter pages_demand) * 4 / $(counter reads_demand)))
	[ $average -le $kib ] && [ $average -ge $((kib / 2)) ] ||
		fail "readahead=$kib: $average KiB a request"
	umount "$mnt"
done

# prefetch=1: the ancestor's one page behind each fault.  It is a hole here, for
# every other page is: nothing is fetched for it.
mount_image "$source" "$proto,readahead=4,prefetch=1"
/usr/bin/python3 touch.py "$mnt/image/.space" "$base"
[ "$(counter bytes_read)" -le 819200 ] || fail "1: $(counter bytes_read) bytes"
umount "$mnt"

# eager=wait: all is here when the mount returns; progress was told as JSON.
mkdir -p "$mnt"
"$tools/mitosisfs" "$source" "$mnt" -o "$proto,mode=eager,eager=wait" 2>wait.txt
note_connection "$(mountpoint -d "$mnt")"
is_complete || fail "eager=wait returns early"
[ "$(counter pages_here)" = "$(counter pages_present)" ] || fail "not all is here"
[ "$(counter bytes_read)" = $(($(counter pages_present) * 4096)) ] ||
	fail "a hole was fetched, or a page twice"
/usr/bin/python3 - wait.txt "$(counter bytes_read)" <<'END' || fail "JSON lines"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert lines[-1]["state"] == "complete", lines
assert lines[-1]["done_bytes"] == lines[-1]["all_bytes"] == int(sys.argv[2])
END
lost=$(lost_pages)
before=$(counter bytes_read)
/usr/bin/python3 touch.py "$mnt/image/.space" "$base"
start child "$tools/mitosis-load" "$mnt/image"
child=$pid
random_pause 300
touch work/go
expect_exit "$child" 0 "the child"
has_line child.out ok || fail "the child did not say ok"
expect_exit "$parent" 0 "the parent"
again=$(($(counter bytes_read) - before))
[ $again -le $((($(lost_pages) - lost) * 4096)) ] ||
	fail "eager pages were fetched again: $again bytes"
umount "$mnt"
stop_daemon
rm work/go

start again /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready again "$parent"
start_daemon
source=127.0.0.1:/pid/$parent
proto=port=$port,proto=tcp

# A link that is lost meanwhile is told after as long as a read would wait.
start relay /usr/bin/python3 "$here/relay.py" "$port" $((2 << 20))
relay=$pid
wait_ready relay "$relay"
read -r relay_port <relay.out
for warm in off auto; do
	status=0
	timeout 60 "$tools/mitosisfs" "$source" "$mnt" 2>lost.txt -o "port=$relay_port,\
proto=tcp,timeo=3,retrans=1,mode=eager,eager=wait,warm=$warm" || status=$?
	[ $status = 32 ] || fail "a lost link: $status, $(cat lost.txt)"
	! mountpoint -q "$mnt" || fail "mounted with a lost link"
	kill "$relay"
	start relay-$warm /usr/bin/python3 "$here/relay.py" "$port" $((2 << 20))
	relay=$pid
	wait_ready relay-$warm "$relay"
	read -r relay_port <relay-$warm.out
done
grep -q 'not every page' lost.txt || fail "a lost link: $(cat lost.txt)"
kill "$relay"

# On a terminal: a bar, in one line.
/usr/bin/python3 - "$tools/mitosisfs" "$source" "$mnt" \
	-o "$proto,mode=eager,eager=wait" >bar.txt <<'END' || fail "no bar"
import os, pty, sys
said = []
def read(fd):
    data = os.read(fd, 1024)
    said.append(data)
    return data
status = pty.spawn(sys.argv[1:], read, lambda fd: b"")
text = b"".join(said)
assert os.waitstatus_to_exitcode(status) == 0, text
assert b"100 % " in text and b"[####" in text and b"\r\x1b[K[" in text, text
assert b"{" not in text, text
END
is_complete || fail "no mount behind the bar"
umount "$mnt"

# The loader can see to it itself, here and with a copy of an image.
mount_image "$source" "$proto"
cp -a "$mnt/image" copy
umount "$mnt"
mount_image "$source" "$proto"
start eager "$tools/mitosis-load" --eager --pid-file "$dir/eager.pid" "$mnt/image"
loader=$pid
wait_for 30 test -s eager.pid
[ "$(counter pages_here)" = "$(counter pages_present)" ] || fail "not all is here"
[ "$(counter pages_faulted)" = "$(counter pages_here)" ] || fail "not by faults"
sed -n 1p eager.out | /usr/bin/python3 -c '
import json, sys
line = json.loads(sys.stdin.readline())
assert line["done_bytes"] <= line["all_bytes"], line' || fail "$(cat eager.out)"
grep -q '"state": "complete"' eager.out || fail "never complete: $(cat eager.out)"
kill "$loader"
wait "$loader" || true
umount "$mnt"
start copied "$tools/mitosis-load" -E --pid-file "$dir/copied.pid" "$dir/copy"
loader=$pid
wait_for 30 test -s copied.pid
grep -q '"state": "complete"' copied.out || fail "a copy: $(cat copied.out)"
kill "$loader"
wait "$loader" || true

# Nobody runs when a page cannot be had.
mount_image "$source" "$proto,timeo=5,retrans=0"
stop_daemon
status=0
"$tools/mitosis-load" --eager "$mnt/image" </dev/null >gone.txt 2>&1 || status=$?
[ $status = 69 ] || fail "loaded without its pages: $status, $(cat gone.txt)"
grep -q 'not every page could be brought' gone.txt || fail "$(cat gone.txt)"
umount "$mnt"
start_daemon
proto=port=$port,proto=tcp

# In the background; a question is answered where the errors go.
mkdir -p "$mnt"
start server "$tools/mitosisfs" -f "$source" "$mnt" -o "$proto,mode=eager,profile"
server=$pid
wait_for 30 mountpoint -q "$mnt"
wait_for 30 is_complete
kill -USR1 "$server"
wait_for 20 grep -q '^mitosisfs: .* MiB (100 %) of .* here, complete' server.out
umount "$mnt"
expect_exit "$server" 0 "the server"
wait "${reader_of[server]}" || true
grep -qE '^mitosisfs: prefetched_kb: [1-9][0-9]*$' server.out || fail "no profile"
mount_image "$source" "$proto,mode=eager"
wait_for 30 is_complete
umount "$mnt"

# What a child cost, at its end: it looks at its own pages and is killed.
mount_image "$source" "$proto,mode=cow"
for kind in text json; do
	start "$kind" "$tools/mitosis-load" --profile $kind \
		--pid-file "$dir/$kind.pid" "$mnt/image"
	loader=$pid
	wait_for 30 test -s $kind.pid
	kill "$loader"
	wait "$loader" || true
	wait "${reader_of[$kind]}" || true
done
grep -qE '^mitosis-load: working_set_kb: [1-9][0-9]*$' text.out || fail "$(cat text.out)"
grep -qE '^mitosis-load:  *[0-9]+ us child has become the image$' text.out ||
	fail "no phases: $(cat text.out)"
/usr/bin/python3 - json.out "$mnt/status.json" <<'END' || fail "$(cat json.out)"
import json, os, sys
told = json.loads([line for line in open(sys.argv[1]) if line[0] == "{"][-1])
status = json.load(open(sys.argv[2]))
profile = status["profile"]
image = os.path.dirname(sys.argv[2]) + "/image"
assert told["descriptor_bytes"] == os.path.getsize(image + "/descriptor")
assert told["descriptor_bytes"] == profile["descriptor_bytes"]
assert told["phases_us"]["child has become the image"] > 0
prepare = ("look", "stop", "read", "fork", "let_go", "settle", "scan", "files")
steps = [profile[f"prepare_{step}_us"] for step in prepare]
assert 0 < sum(steps) <= status["prepare_ns"] / 1000
assert sum(steps[1:5]) <= status["pause_ns"] / 1000
assert profile["prepare_encode_us"] > 0
opening = [profile[f"open_{step}_us"] for step in
           ("snapshot", "descriptor", "decode")]
assert min(opening[:2]) > 0 and sum(opening) <= profile["open_us"], opening
assert profile["open_snapshot_us"] * 1000 > status["prepare_ns"]
assert profile["working_set_kb"] == status["pages_faulted"] * 4 > 0
assert profile["fetched_kb"] == status["bytes_read"] // 1024
assert told["fetched_kb"] <= profile["fetched_kb"]
faults = profile["fault_ns"]
assert faults["count"] == sum(b["count"] for b in faults["buckets"]) > 0
assert 0 < faults["p50"] <= faults["p99"] <= faults["max"] <= faults["sum"]
# Nothing comes ahead of them: each crossed the network, or looked at zeros.
assert faults["count"] == profile["fault_here_ns"]["count"] + \
    profile["fault_joined_ns"]["count"] + profile["fault_fetched_ns"]["count"]
# One page each, but for the stack, which a loader asks for at once. A page that a
# killed child waited for is asked for again: faulted twice, and one of the working set.
at_once = profile["faulted_kb"] - profile["fault_fetched_ns"]["count"] * 4
assert 0 <= at_once < 128, profile
with open(os.path.dirname(sys.argv[2]) + "/faults") as lines:
    rows = [line.split() for line in lines]
assert {row[0] for row in rows} <= {"here", "joined", "fetched"}
assert sum(int(row[2]) for row in rows) == faults["count"]
END
umount "$mnt"
status=0
"$tools/mitosis-load" --profile text --detach copy 2>why.txt || status=$?
[ $status = 2 ] && grep -q -e --detach why.txt || fail "detached: $status"

# What contradicts itself is refused, with the reason, and nothing is mounted.
for wrong in mode=cow,readahead=64 mode=cow,prefetch=seq mode=eager,prefetch=1 \
	eager=wait mode=fast prefetch=8,prefetch_pages=8; do
	status=0
	"$tools/mitosisfs" "$source" "$mnt" -o "$proto,$wrong" 2>why.txt || status=$?
	[ $status = 1 ] && [ "$(wc -l <why.txt)" = 1 ] ||
		fail "$wrong: $status, $(cat why.txt)"
	! mountpoint -q "$mnt" || fail "$wrong was mounted"
done

touch work/go
expect_exit "$parent" 0 "the second parent"
stop_daemon
expect_nothing_left
