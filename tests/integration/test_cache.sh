#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_cache.sh - cache=kernel and cache=off: who finds which pages again
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

cat >parent.py <<'END'
import ctypes, mmap, os, sys, time
area = mmap.mmap(-1, 1 << 20)
for page in range(256):
    area[page * 4096] = page % 251 + 1
base = ctypes.addressof(ctypes.c_char.from_buffer(area))
os.write(1, b"%x\nready\n" % base)
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
os.write(1, b"ok\n")
END

# look.py FILE OFFSET: read 1 MiB there, and see that it is right
cat >look.py <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
for page in range(256):
    got = os.pread(fd, 1, int(sys.argv[2], 16) + page * 4096)
    assert got[0] == page % 251 + 1, page
END

# leave.py FILE OFFSET COMMAND...: with FILE mapped and open, wait until what a
# later reader, COMMAND, has read is out of the page cache again
cat >leave.py <<'END'
import ctypes, mmap, os, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
fd = os.open(sys.argv[1], os.O_RDONLY)
at = libc.mmap(None, ctypes.c_size_t(1 << 20), 1, 2, fd,
               ctypes.c_size_t(int(sys.argv[2], 16)))
def here():
    pages = (ctypes.c_ubyte * 256)()
    assert not libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(1 << 20), pages)
    return sum(page & 1 for page in pages)
subprocess.run(sys.argv[3:], check=True)
end = time.monotonic() + 20
while here() and time.monotonic() < end:
    time.sleep(0.01)
assert not here(), "%d pages stay" % here()
assert ctypes.string_at(at + 4096, 1) == b"\2"
END

look() {
	/usr/bin/python3 look.py "$mnt/image/$1" "$2"
}

mkdir work
start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
read -r base <parent.out
source=local:/pid/$parent

# kernel: what one has read another finds.
for options in '' cache=kernel; do
	mount_image "$source" "$options"
	[ "$(counter cache)" = kernel ] || fail "cache is $(counter cache)"
	look .space "$base"
	lost=$(lost_pages)
	before=$(counter bytes_read)
	[ "$before" -ge 1048576 ] || fail "$before bytes were read"
	look .space "$base"
	again=$(($(counter bytes_read) - before))
	[ $again -le $((($(lost_pages) - lost) * 4096)) ] ||
		fail "the kernel keeps nothing: $again bytes came again"
	umount "$mnt"
done

# off: each open finds nothing, and the right pages come again; also with one
# thread, which must go on answering while pages are taken out.
for options in cache=off cache=off,threads=1 cache=off,mode=cow \
	cache=off,prefetch=seq; do
	mount_image "$source" "$options"
	[ "$(counter cache)" = off ] || fail "cache is $(counter cache)"
	look .space "$base"
	before=$(counter bytes_read)
	look .space "$base"
	[ "$(counter bytes_read)" -ge $((before + 1048576)) ] ||
		fail "$options: pages are kept"
	area=$(printf '%s\n' "$mnt"/image/vma/* | while read -r area; do
		range=${area##*/}
		[ $((0x${range%-*})) -gt $((0x$base)) ] ||
			[ $((0x${range#*-})) -le $((0x$base)) ] || echo "$range"
	done)
	offset=$(printf '%x' $((0x$base - 0x${area%-*})))
	/usr/bin/python3 leave.py "$mnt/image/vma/$area" "$offset" \
		/usr/bin/python3 look.py "$mnt/image/vma/$area" "$offset" ||
		fail "$options: pages stay behind a close"
	umount "$mnt"
done

# Children are as right without a cache, two at a time too.
mount_image "$source" cache=off
for name in one two; do
	load_child local-shared $name
	loaders+=("$loader")
done
touch work/go
for i in 0 1; do
	expect_exit "${loaders[i]}" 0 "a child"
done
for name in one two; do
	wait "${reader_of[$name]}" || true
	has_line $name.out ok || fail "child $name did not say ok"
done
expect_exit "$parent" 0 "the parent"
umount "$mnt"

# What cannot be is refused, with the reason, and nothing is mounted.
for wrong in cache=none cache=off,mode=eager; do
	refused "${wrong%%,*}" "$tools/mitosisfs" "$source" "$mnt" -o "$wrong"
	! mountpoint -q "$mnt" || fail "$wrong was mounted"
done
expect_nothing_left
