#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_warm.sh - children of an image that is complete need nobody
#
# A busy Python with numpy is imaged and brought whole.  What the warm file has is
# compared with another copy of the same image; children map it in huge pages and
# ask mitosisfs for nothing; when it, the daemon and the parent are dead all of
# them finish right, and can be imaged again.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosis-load mitosisctl
need_programs setpriv fusermount3
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip "numpy is not installed"

# parent.py DIR: is busy until DIR/go or DIR/stop is there, then looks at all it has.
cat >parent.py <<'END'
import hashlib, os, sys, threading, time
import numpy
array = numpy.random.default_rng(7).integers(0, 1 << 62, 8 << 20)   # 64 MiB
objects = {f"key {i}": [i, str(i)] for i in range(60000)}

def look():
    seen = hashlib.sha256(array.tobytes())
    seen.update(repr(objects).encode())
    return seen.hexdigest()

def count():
    global turns
    while True:
        turns += 1
        objects[f"key {turns % 60000}"][0] += 0
        time.sleep(0.001)

turns, right = 0, look()
threading.Thread(target=count, daemon=True).start()
os.write(1, b"ready\n")
while not any(os.path.exists(f"{sys.argv[1]}/{word}") for word in ("go", "stop")):
    array[::4096] += 0
    time.sleep(0.001)
array[5] += 1          # a page of its own, which nobody else may see
array[5] -= 1
os.write(1, b"ok\n" if look() == right and turns else b"wrong\n")
END

# compare.py PLAIN WARM: each area of the one image, in the file of all of them
cat >compare.py <<'END'
import errno, os, sys
plain, warm = sys.argv[1] + "/image/vma/", sys.argv[2] + "/image/.warm"
all_pages, nr = os.open(warm, os.O_RDONLY), 0
for name in os.listdir(plain):
    base, area = int(name.split("-")[0], 16), os.open(plain + name, os.O_RDONLY)
    at, end = 0, os.fstat(area).st_size
    while at < end:
        try:
            at = os.lseek(area, at, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == errno.ENXIO, error
            break
        hole = os.lseek(area, at, os.SEEK_HOLE)
        while at < hole:
            size = min(hole - at, 1 << 20)
            mine = os.pread(all_pages, size, base + at)
            assert mine == os.pread(area, size, at), f"{name} at {at:x}"
            at += size
            nr += size
        if hole < end:             # and the hole is one: its first page
            assert not any(os.pread(all_pages, 4096, base + hole)), name
print(nr // 4096)
END

tier() {
	sed -n 's/^tier: //p' "$mnt/status"
}

# How often mitosisfs was asked for pages.
asked() {
	echo $(($(counter reads_demand) + $(counter reads_warm)))
}

says_ok() {
	[ "$(tail -n 1 "$1")" = ok ]
}

mkdir work
# Away from our process group: with one of it stopped a group may get SIGHUP.
start parent setsid /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
start_daemon
ctl prepare --name busy "$parent" >/dev/null
source=127.0.0.1:/image/busy
proto=port=$port,proto=tcp,nosharecache

mount_image "$source" "$proto,mode=eager,eager=wait"
case $(tier) in
warm) ;;
"cold (this kernel has no"*) skip "$(tier)" ;;
*) fail "tier: $(tier)" ;;
esac
[ "$(counter bytes_read)" = $(($(counter pages_present) * 4096)) ] ||
	fail "a hole was fetched, or a page twice"
[ "$(counter warm_kb)" -le $(($(counter pages_present) * 4 + \
	$(counter warm_waste_kb))) ] || fail "the file takes more than it says"
[ $(($(counter warm_waste_kb) * 7)) -le $(($(counter pages_present) * 4)) ] ||
	fail "holes take $(counter warm_waste_kb) KB"

# mitosisctl tells it, of this mount and of one that is cold.
mounts() {
	"$tools/mitosisctl" "$@" status --json | /usr/bin/python3 -c '
import json, sys
for mount in json.load(sys.stdin)["mounts"]:
    if mount["mount"].startswith(sys.argv[1] + "/"):
        print(mount["mount"][len(sys.argv[1]) + 1:], mount["state"],
              mount.get("mode"), mount.get("tier"), mount.get("tier_why"))
' "$dir"
}
[ "$(mounts --socket "$socket")" = "mnt ready eager warm None" ] ||
	fail "mitosisctl status: $(mounts --socket "$socket")"
ctl status | grep -E "^$mnt +$source +ready +eager +warm " >/dev/null || fail "$(ctl status)"

# The bytes, beside a mount that brings them as they are looked at.
mkdir plain
"$tools/mitosisfs" "$source" "$dir/plain" -o "$proto,mode=prefetch"
note_connection "$(mountpoint -d "$dir/plain")"
mounts --socket "$socket" | grep -x "plain ready prefetch cold mode=prefetch" \
	>/dev/null ||
	fail "mitosisctl status: $(mounts --socket "$socket")"
same=$(/usr/bin/python3 compare.py "$dir/plain" "$mnt") || fail "other bytes"
[ "$same" = "$(counter pages_present)" ] || fail "$same pages were compared"
umount plain

# One child, from its beginning to its end, in both ways of memory.
kill -STOP "$parent" # which would heed it, too
touch work/stop
for memory in shared own; do
	before=$(asked)
	load_child tcp-$memory one-$memory
	expect_exit "$loader" 0 "the child with --memory=$memory"
	wait "${reader_of[one-$memory]}" || true
	says_ok one-$memory.out || fail "the child with --memory=$memory is wrong"
	[ "$(asked)" = "$before" ] ||
		fail "$memory: mitosisfs was asked $(($(asked) - before)) times"
done
rm work/stop
kill -CONT "$parent"

# Eight, in huge pages; then everybody they came from dies.
loaders=()
for child in 1 2 3 4 5 6 7 8; do
	load_child tcp-shared "child$child"
	loaders+=("$loader")
done
if grep -q . /sys/kernel/mm/transparent_hugepage/hpage_pmd_size; then
	wait_for 20 grep -qE '^(Shmem|File)PmdMapped: *[1-9]' \
		"/proc/$(cat child1.pid)/smaps_rollup"
fi
random_pause 300
server=$(server_pid)
kill -9 "$server"
wait_for 20 gone "$server"
kill -9 "$daemon" "$parent"
wait "$daemon" "$parent" || true
[ ! -e "$mnt/status" ] || fail "somebody still answers for the mount"
refused 'not connected' ls "$mnt"
XDG_RUNTIME_DIR=$dir mounts | grep -x "mnt dead None None None" >/dev/null ||
	fail "without a daemon: $(XDG_RUNTIME_DIR=$dir mounts)"

# An image of a child whose file system is dead is an image like any.  It lives in
# the child's pid namespace, so that one ends later.
mkdir grand
"$tools/mitosisfs" "local:/pid/$(cat child1.pid)" "$dir/grand"
note_connection "$(mountpoint -d "$dir/grand")"
start grandchild "$tools/mitosis-load" "$dir/grand/image"
grandchild=$pid
random_pause 100
kill -STOP "$(cat child1.pid)"
touch work/go
expect_exit "$grandchild" 0 "the grandchild"
wait "${reader_of[grandchild]}" || true
says_ok grandchild.out || fail "the grandchild is wrong"
umount grand
kill -CONT "$(cat child1.pid)"

for child in 1 2 3 4 5 6 7 8; do
	expect_exit "${loaders[child - 1]}" 0 "child $child"
	wait "${reader_of[child$child]}" || true
	says_ok child$child.out || fail "child $child: $(tail -n 1 child$child.out)"
done
umount "$mnt"

# A user has no right to it: the image stays cold, says so, and is as good.
rm work/go
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
chmod 755 work parent.py
chown 65534:65534 "$mnt"
start his "${nobody[@]}" /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready his "$parent"
source=local:/pid/$parent
refused 'warm=require: mitosisfs has no CAP_SYS_ADMIN' "${nobody[@]}" \
	"$tools/mitosisfs" "$source" "$mnt" -o mode=eager,warm=require
! mountpoint -q "$mnt" || fail "mounted in spite of warm=require"
"${nobody[@]}" "$tools/mitosisfs" "$source" "$mnt" -o mode=eager,eager=wait
"${nobody[@]}" cat "$mnt/status" >status.txt
grep -qx 'tier: cold (mitosisfs has no CAP_SYS_ADMIN)' status.txt ||
	fail "$(grep tier status.txt)"
grep -qx 'eager: complete' status.txt || fail "$(grep eager status.txt)"
! "${nobody[@]}" cat "$mnt/image/.warm" 2>/dev/null || fail "there is a .warm"
start cold "${nobody[@]}" "$tools/mitosis-load" --pid=new "$mnt/image"
loader=$pid
random_pause 300
XDG_RUNTIME_DIR=$dir mounts | grep -x "mnt private None None None" >/dev/null ||
	fail "root sees the user's mount: $(XDG_RUNTIME_DIR=$dir mounts)"
touch work/go
expect_exit "$loader" 0 "the user's child"
wait "${reader_of[cold]}" || true
says_ok cold.out || fail "the user's child: $(cat cold.out)"
expect_exit "$parent" 0 "the user's parent"
server=$(server_pid)
kill -STOP "$server"
XDG_RUNTIME_DIR=$dir "${nobody[@]}" "$tools/mitosisctl" status |
	grep -E "^$mnt +- +silent " >/dev/null || fail "a mount that does not answer"
kill -CONT "$server"
"${nobody[@]}" umount "$mnt"
expect_nothing_left
