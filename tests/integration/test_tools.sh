#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_tools.sh - the tools that people have answer right, and move what they
# must
#
# The parent is a Python with an area of 64 MiB in which sixteen pages were
# touched.  Each tool gets a mount of its own; it is run twice, and the second
# time it moves next to nothing.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs
need_programs gdb eu-stack readelf rsync tar strings xxd cmp getfattr

cat >parent.py <<'END'
import ctypes, mmap, os, time
area = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for i in range(16):
    at = i * (4 << 20) + 4096
    area[at:at + 22] = b"needle in a haystack%02d" % i
here = ctypes.addressof(ctypes.c_char.from_buffer(area))
os.write(1, b"at %x\nready\n" % here)
while True:
    time.sleep(1000)
END
start parent /usr/bin/python3 parent.py
parent=$pid
wait_ready parent "$parent"
at=$(sed -n 's/^at //p' parent.out)
exe=$(readlink -f /usr/bin/python3)

moved() {
	awk '$1 == "bytes_read:" { print $2 }' "$mnt/status"
}

present_bytes() {
	awk '$1 == "pages_present:" { print $2 * 4096 }' "$mnt/status"
}

# The tool's words, and the file of the area, for the commands below.
image=$mnt/image
area() {
	/usr/bin/python3 -c '
import sys
at = int(sys.argv[2], 16)
for line in open(sys.argv[1]):
    start, end = (int(n, 16) for n in line.split()[0].split("-"))
    if start <= at < end:
        print(line.split()[0], at - start)' "$image/maps" "$at"
}

rows=0
# tool NAME MOST-BYTES WANTED COMMAND: COMMAND is shell, WANTED a pattern of its
# output.
tool() {
	local name=$1 most=$2 wanted=$3 first again
	mount_image "local:/pid/$parent"
	read -r vma skip < <(area)
	file=$image/vma/$vma
	[ "$most" != present ] ||
		most=$(($(present_bytes) + $(stat -c %s "$image/exe") + 65536))
	eval "$4" >out.txt 2>err.txt || fail "$name ended with $?: $(cat err.txt)"
	[ -z "$wanted" ] || grep -qE -- "$wanted" out.txt ||
		fail "$name said: $(head -c 2000 out.txt err.txt)"
	first=$(moved)
	eval "$4" >/dev/null 2>&1 || fail "$name failed once more"
	again=$(($(moved) - first))
	echo "$name moved $first bytes, then $again"
	[ "$first" -le "$most" ] || fail "$name moved $first bytes, not $most"
	[ $again -le 131072 ] || fail "$name moved $again bytes once more"
	umount "$mnt"
	rm -rf copy copy.tar
	rows=$((rows + 1))
}

bt="gdb -nx -batch -ex 'thread apply all bt' $exe $image/core"
map='import mmap, sys
file = open(sys.argv[1], "rb")
area = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
at = int(sys.argv[2]) + 5 * (4 << 20) + 4096
print(bytes(area[at:at + 22]), area[at + 4096])
area[at] = 0'

tool ls 0 '^dr-x------.* by-name' "ls -lR $image"
tool stat 0 '^regular file 671[0-9]{5} [1-9][0-9]{2}$' \
	'stat -c "%F %s %b" "$file"'
tool du 0 '^[0-9.]+M' "du -sh $image"
tool cp present '' "cp -a $image copy && cmp $image/maps copy/maps"
tool tar present '' "tar -cSf copy.tar -C $mnt image && tar -tf copy.tar"
tool rsync present 'mitosis.perms="rw-p"' \
	'rsync -aSX $image/ copy/ && cmp $image/maps copy/maps &&
	getfattr -d copy/vma/$vma'
tool grep 131072 'needle in a haystack07' 'grep -oba "needle in a haystack[0-9]*" "$file"'
tool strings 131072 'needle in a haystack15' 'strings -t x "$file"'
tool xxd 131072 'needle in a hays' \
	'xxd -s "$((0x$at + 4096))" -l 32 $image/mem'
tool cmp 262144 '' 'cmp "$file" "$file" && cmp -n 4096 "$image/exe" "$exe"'
tool gdb 524288 'Py_BytesMain' "$bt"
tool eu-stack 4194304 'Py_BytesMain' "eu-stack --core=$image/core"
tool readelf 65536 'Type: +CORE' "readelf -hlW $image/core"
tool python-mmap 262144 'haystack05.* 0' \
	'/usr/bin/python3 -c "$map" "$file" $skip'
[ $rows = 14 ] || fail "$rows tools, not 14"

# Nothing of that was felt by the parent: what it never touched is not there.
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$parent/status")
[ "$rss" -lt 40000 ] || fail "the parent has $rss KiB"

kill -9 "$parent"
wait "$parent" || true
expect_nothing_left
