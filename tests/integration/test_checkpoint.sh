#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_checkpoint.sh - a copied image is a checkpoint, whatever copies it to
# whatever file system
#
# An image with 200 MiB is copied over TCP by cp, tar and rsync to ext4, xfs and
# tmpfs.  Each copy moves what is present and no more.  Then parent and daemon
# are gone, and each copy is loaded.
LIMIT=400
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl mitosis-load
need_programs mkfs.ext4 mkfs.xfs rsync tar
[ -e /dev/loop-control ] || skip "there are no loop devices"

cat >parent.py <<'END'
import hashlib, mmap, os, random, sys, time
area = mmap.mmap(-1, 300 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
source = random.Random(int(sys.argv[2]))
for i in range(300):
    if i % 3 != 2: # every third MiB stays a hole
        area[i << 20:(i + 1) << 20] = source.randbytes(1 << 20)
# Of the pieces that were written: a hole that is read is none any more.
def digest():
    total = hashlib.blake2b()
    with memoryview(area) as bytes_:
        for i in range(300):
            if i % 3 != 2:
                total.update(bytes_[i << 20:(i + 1) << 20])
    return total.hexdigest()
before = digest()
os.write(1, b"ready\n")
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
assert digest() == before, "memory"
for i in range(2, 300, 3):
    assert not any(area[i << 20:(i << 20) + 4096]), "a hole"
os.write(1, b"ok\n")
sys.exit(4)
END
mkdir work
seed=$RANDOM
echo "seed $seed"
start parent /usr/bin/python3 parent.py "$dir/work" "$seed"
parent=$pid
wait_ready parent "$parent"
start_daemon
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name whole >/dev/null

# One value of the mount's status.
number() {
	/usr/bin/python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$mnt/status.json" "$1"
}

# disk NAME: a file system NAME, on $dir/NAME.
disk() {
	mkdir "$1"
	if [ "$1" = tmpfs ]; then
		mount -t tmpfs -o size=400m tmpfs tmpfs
		return
	fi
	truncate -s 600M "$1.img"
	"mkfs.$1" -q "$1.img"
	mount -o loop "$1.img" "$1"
}

# checkpoint NAME COMMAND: a cold mount is copied to NAME by COMMAND.
checkpoint() {
	local present moved used
	disk "$1"
	mount_image "127.0.0.1:/image/whole" "port=$port"
	present=$(($(number pages_present) * 4096))
	lost=$(lost_pages)
	eval "$2" || fail "$2 failed with $?"
	moved=$(number bytes_read)
	umount "$mnt"
	lost=$((($(lost_pages) - lost) * 4096))
	used=$(($(du -s --block-size=1 "$1/image" | cut -f1)))
	echo "$1: $present present, $moved moved, $used used"
	[ "$present" -ge $((200 << 20)) ] || fail "no 200 MiB"
	# exe is a file of its own, beside its pages in areas.  On a machine that is
	# very slow a few pages that were foreseen give way, and come twice.
	most=$((present + $(stat -Lc %s /usr/bin/python3) + (1 << 20)))
	[ "$moved" -ge "$present" ] && [ "$moved" -le $((most + lost)) ] ||
		fail "$1: $moved bytes moved"
	# xfs gives a growing file more than is written, holes included.
	[ "$1" = xfs ] || [ $used -le $((most + (8 << 20))) ] ||
		fail "$1: $used bytes used"
}

checkpoint ext4 'cp -a "$mnt/image" ext4'
checkpoint xfs 'tar -cSf - -C "$mnt" image | tar -xSf - -C xfs'
checkpoint tmpfs 'rsync -aSX "$mnt/image" tmpfs'
kill -9 "$parent"
wait "$parent" || true
stop_daemon

touch work/go
load() {
	start "child-$1-$2" "$tools/mitosis-load" --memory="$2" "$dir/$1/image"
	expect_exit "$pid" 4 "the child of $1"
	wait "${reader_of[child-$1-$2]}" || true
	has_line "child-$1-$2.out" ok || fail "the child of $1 did not say ok"
}
load ext4 shared
load xfs own
load tmpfs shared
load xfs shared
for name in ext4 xfs tmpfs; do
	umount "$name"
done
expect_nothing_left
