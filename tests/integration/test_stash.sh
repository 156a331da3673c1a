#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_stash.sh - stash=DIR: what one mount has fetched the next one finds, and
# whatever becomes of the files, nobody gets a wrong byte
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl mitosis-load

cat >parent.py <<'END'
import ctypes, hashlib, mmap, os, sys, time
area = mmap.mmap(-1, 32 << 20)
for page in range(0, 8192):
    area[page * 4096:page * 4096 + 64] = hashlib.sha512(b"%d" % page).digest()
base = ctypes.addressof(ctypes.c_char.from_buffer(area))
os.write(1, b"%x\nready\n" % base)
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
for page in range(0, 8192):
    want = hashlib.sha512(b"%d" % page).digest()
    if area[page * 4096:page * 4096 + 64] != want:
        os.write(1, b"wrong\n")
        sys.exit(1)
os.write(1, b"ok\n")
END

# look.py FILE OFFSET [PAGES]: read them there, and see that they are right
cat >look.py <<'END'
import hashlib, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
at = int(sys.argv[2], 16)
for page in range(int(sys.argv[3]) if len(sys.argv) > 3 else 8192):
    got = os.pread(fd, 64, at + page * 4096)
    assert got == hashlib.sha512(b"%d" % page).digest(), page
END

# flip.py FILE: a byte in each third page that is in the file
cat >flip.py <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
data = int.from_bytes(os.pread(fd, 8, 56), "little")
pages = int.from_bytes(os.pread(fd, 8, 40), "little")
flipped = 0
for page in range(0, pages, 3):
    if os.pread(fd, 8, 4096 + 8 * page) == bytes(8):
        continue
    byte = os.pread(fd, 1, data + page * 4096 + page % 4096)[0]
    os.pwrite(fd, bytes([byte ^ 1]), data + page * 4096 + page % 4096)
    flipped += 1
print(flipped)
END

look() {
	/usr/bin/python3 look.py "$mnt/image/.space" "$base" "$@"
}

# How many READs the daemon has answered.
served() {
	ctl metrics | awk '/^mitosisd_reads_total/ { n += $2 } END { print n }'
}

# On a busy host a reader's last page is given back a moment after its end.
drop() {
	wait_for 10 umount -q "$mnt"
}

# du_kib: what the stashes take
du_kib() {
	du -c --block-size=1K stash/*.stash | tail -n 1 | cut -f1
}

mkdir work
start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
read -r base <parent.out
start_daemon
ctl prepare "$parent" --name one >/dev/null
source=127.0.0.1:/image/one
opts=port=$port,proto=tcp,prefetch=off,nosharecache,stash=$dir/stash

# A child of the first mount.
mount_image "$source" "$opts"
[ "$(counter cache)" = stash ] || fail "cache is $(counter cache)"
[ "$(counter stash)" = "$dir/stash" ] || fail "stash is $(counter stash)"
[ "$(stat -c %a stash)" = 700 ] || fail "the directory's mode"
start child "$tools/mitosis-load" "$mnt/image"
child=$pid
touch work/go
expect_exit "$child" 0 "the child"
expect_ok parent "$parent"
rm work/go
[ "$(counter stash_kept_pages)" -ge 8192 ] || fail "kept too little"
[ "$(counter stash_hit_pages)" = 0 ] || fail "hits in an empty stash"
if /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null; then
	/usr/bin/python3 "$here/check_metrics.py" mitosisfs_stash_bytes \
		mitosisfs_stash_bad_bytes_total=0 \
		mitosisfs_stash_limit_bytes=1073741824 <"$mnt/metrics"
fi
drop
file=$(echo stash/*.stash)
[ "$(stat -c %a "$file")" = 600 ] || fail "the file's mode"

# mitosisfs is started again: nothing of it comes from the daemon.
mount_image "$source" "$opts"
before=$(served)
look
[ "$(served)" = "$before" ] || fail "fetched again: $before, $(served)"
[ "$(counter bytes_read)" = 0 ] || fail "read $(counter bytes_read) bytes"
[ "$(counter stash_hit_pages)" -ge 8192 ] || fail "no hits"
[ "$(counter stash_bad_pages)" = 0 ] || fail "bad pages"
drop

# All of it: then the eager mode reads no page over the network.
mount_image "$source" "$opts,mode=eager,eager=wait"
[ "$(counter pages_here)" = "$(counter pages_present)" ] || fail "not all here"
drop
mount_image "$source" "$opts,mode=eager,eager=wait"
[ "$(counter pages_here)" = "$(counter pages_present)" ] || fail "not all here"
[ "$(counter bytes_read)" = 0 ] || fail "eager reads $(counter bytes_read)"
look
mkdir -p other
"$tools/mitosisfs" "$source" other -o "$opts" 2>other.err
grep -qF "going on without a stash: another mitosisfs uses" other.err ||
	fail "the second one says: $(cat other.err)"
grep -q '^stash: none: another' other/status || fail "$(cat other/status)"
/usr/bin/python3 look.py other/image/.space "$base" 100
wait_for 10 umount -q other
drop

# Damaged: fetched anew, and then made good.
flipped=$(/usr/bin/python3 flip.py "$file")
[ "$flipped" -gt 2700 ] || fail "flipped only $flipped"
mount_image "$source" "$opts,mode=eager,eager=wait"
look
[ "$(counter stash_bad_pages)" = "$flipped" ] ||
	fail "$(counter stash_bad_pages) bad pages of $flipped"
drop
mount_image "$source" "$opts,mode=cow"
look
[ "$(counter stash_bad_pages)" = 0 ] || fail "still $(counter stash_bad_pages)"
[ "$(counter bytes_read)" = 0 ] || fail "not made good"
drop

# As after a boot: only what is on the disk.
sync
echo 3 >/proc/sys/vm/drop_caches
mount_image "$source" "$opts,mode=cow"
look
[ "$(counter stash_bad_pages)" = 0 ] || fail "what was written is not on the disk"
[ "$(counter bytes_read)" = 0 ] || fail "from the disk not all is there"
drop

# Cut short, while nobody has it and while somebody does.
truncate -s 9000000 "$file"
mount_image "$source" "$opts"
look
[ "$(counter stash_bad_pages)" -gt 0 ] || fail "a cut file is not noticed"
truncate -s 0 "$file"
/usr/bin/python3 look.py "$mnt/image/core" 0 0
/usr/bin/python3 - "$mnt/image/vma" "$base" <<'END' || fail "wrong bytes"
import glob, hashlib, os, sys
for path in glob.glob(sys.argv[1] + "/*"):
    start, end = (int(n, 16) for n in os.path.basename(path).split("-"))
    base = int(sys.argv[2], 16)
    if start <= base < end:
        fd = os.open(path, os.O_RDONLY)
        for page in range(8192):
            got = os.pread(fd, 64, base - start + page * 4096)
            assert got == hashlib.sha512(b"%d" % page).digest(), page
        break
else:
    sys.exit("no such area")
END
drop

# A bound is kept.
mount_image "$source" "$opts,cache_size=8M"
[ "$(du_kib)" -le 8192 ] || fail "$(du_kib) KiB at once"
look
[ "$(du_kib)" -le 8192 ] || fail "$(du_kib) KiB"
[ "$(du_kib)" -ge 6000 ] || fail "only $(du_kib) KiB are used"
[ "$(counter stash_evicted_pages)" -gt 0 ] || fail "nothing goes"
drop
mount_image "$source" "$opts,cache_size=8M"
look
[ "$(counter stash_hit_pages)" -gt 500 ] || fail "$(counter stash_hit_pages) hits"
drop

# Killed while it fills it.
for i in 1 2 3; do
	rm -f stash/*
	mkdir -p "$mnt"
	start "killed$i" "$tools/mitosisfs" -f "$source" "$mnt" \
		-o "$opts,mode=eager,cache_size=$((i * 8))M"
	server=$pid
	wait_for 20 mountpoint -q "$mnt"
	random_pause 60
	kill -9 "$server"
	wait "$server" || true
	umount -l "$mnt"
	mount_image "$source" "$opts,cache_size=$((i * 8))M"
	look
	[ "$(counter stash_bad_pages)" = 0 ] || fail "bad after a kill"
	[ "$(du_kib)" -le $((i * 8192)) ] || fail "$(du_kib) KiB after a kill"
	drop
done

# An image that goes with its mount leaves nothing, at once or later.
rm -f stash/*
mount_image "127.0.0.1:/pid/$$" "port=$port,nosharecache,stash=$dir/stash"
[ "$(find stash -name '*.stash' | wc -l)" = 1 ] || fail "no file"
server=$(pgrep -f "mitosisfs 127.0.0.1:/pid/$$ $mnt") || fail "no server"
kill -9 "$server"
umount -l "$mnt"
wait_for 10 gone "$server"
[ "$(find stash -name '*.stash' | wc -l)" = 1 ] || fail "no file is left"
mount_image "$source" "$opts"
[ "$(find stash -name '*.stash' | wc -l)" = 1 ] || fail "$(ls stash)"
drop
mount_image "local:/pid/$$" "stash=$dir/stash"
[ "$(find stash -name '*.stash' | wc -l)" = 2 ] || fail "$(ls stash)"
drop
only_one() {
	[ "$(find stash -name '*.stash' | wc -l)" = 1 ]
}
wait_for 10 only_one

# In memory: for the next file that has the same pages.
mount_image "$source" "port=$port,nosharecache,cache=stash,cache_size=64M"
[ "$(counter stash)" = memory ] || fail "stash is $(counter stash)"
look
read_bytes=$(counter bytes_read)
cat "$mnt"/image/vma/* >/dev/null
[ "$(counter stash_hit_pages)" -ge 8192 ] || fail "no hits in memory"
look 10
drop
[ "$read_bytes" -gt 0 ] || fail "it came from nowhere"

# A full disk.
mkdir small
mount -t tmpfs -o size=5M,mode=700 none small
mount_image "$source" "port=$port,nosharecache,stash=$dir/small"
look
[ "$(counter stash_failed_pages)" -gt 0 ] || fail "all fits into 5 MiB?"
[ "$(counter stash_kept_pages)" -gt 500 ] || fail "nothing is kept"
drop
mount_image "$source" "port=$port,nosharecache,stash=$dir/small"
look
[ "$(counter stash_bad_pages)" = 0 ] || fail "bad pages of a full disk"
[ "$(counter stash_hit_pages)" -gt 100 ] ||
	fail "none is found there: $(grep stash_ "$mnt/status")"
drop
wait_for 10 umount -q small # mitosisfs lets go of it a moment later

# Whose directory it must be.
mkdir open
chmod 755 open
ln -s stash link
refused "chmod 0700" "$tools/mitosisfs" "$source" "$mnt" \
	-o "port=$port,nosharecache,stash=$dir/open"
refused "symbolic link" "$tools/mitosisfs" "$source" "$mnt" \
	-o "port=$port,nosharecache,stash=$dir/link"
mkdir -m 700 strange
chown 1:1 strange
refused "another user" "$tools/mitosisfs" "$source" "$mnt" \
	-o "port=$port,nosharecache,stash=$dir/strange"
refused "add stash=DIR" "$tools/mitosisfs" "$source" "$mnt" \
	-o "port=$port,cache_size=1G"
! mountpoint -q "$mnt" || fail "refused, and mounted"

# The parent's host is lost: what is stashed is answered, and the rest is not.
start lost /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready lost "$parent"
read -r base <lost.out
ctl prepare "$parent" --name two >/dev/null
mount_image 127.0.0.1:/image/two "$opts,timeo=5,retrans=0,readahead=4"
look 1000
kill -9 "$daemon"
wait "$daemon" || true
for area in "$mnt"/image/vma/*; do
	name=${area##*/}
	if [ $((0x$base)) -lt $((0x${name#*-})) ]; then
		break
	fi
done
skip=$((0x$base - 0x${name%-*}))
/usr/bin/python3 look.py "$area" "$(printf %x $skip)" 1000
! dd if="$area" of=/dev/null bs=4K count=1 \
	iflag=skip_bytes skip=$((skip + 5000 * 4096)) status=none 2>dd.err ||
	fail "a page came from nowhere"
drop
! "$tools/mitosisfs" 127.0.0.1:/image/two "$mnt" -o "$opts" 2>mount.err ||
	fail "mounted without a daemon"

# Released: its file goes.
start_daemon
ctl prepare "$parent" --name three >/dev/null
rm -f stash/*
mount_image 127.0.0.1:/image/three "port=$port,nosharecache,stash=$dir/stash,timeo=5,retrans=0"
look 100
ctl release three >/dev/null
! dd if="$mnt/image/.space" of=/dev/null bs=4K count=1 iflag=skip_bytes \
	skip=$((0x$base + 5000 * 4096)) status=none 2>dd.err ||
	fail "a page of a released image"
drop
no_file() {
	[ -z "$(ls stash)" ]
}
wait_for 10 no_file
touch work/go
expect_exit "$parent" 0 "the second parent"
stop_daemon
expect_nothing_left
