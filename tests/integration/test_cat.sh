#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_cat.sh - a tool that reads an image over TCP has each page come once for
# each file that it reads, most of them before it asks; and the right bytes
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl

cat >parent.py <<'END'
import ctypes, mmap, os, random, time
source = random.Random(int(os.environ["SEED"]))
area = mmap.mmap(-1, 24 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for i in range(24):
    if i % 8 != 5: # a hole in the way
        area[i << 20:(i + 1) << 20] = source.randbytes(1 << 20)
    else:
        area[(i << 20) + 40960:(i << 20) + 45056] = source.randbytes(4096)
os.write(1, b"at %x\nready\n" %
         ctypes.addressof(ctypes.c_char.from_buffer(area)))
while True:
    time.sleep(1000)
END
seed=${SEED:-$((RANDOM << 15 | RANDOM))}
echo "seed $seed"
SEED=$seed start parent /usr/bin/python3 parent.py for-cat
parent=$pid
wait_ready parent "$parent"
kill -STOP "$parent"
start_daemon
ctl prepare "$parent" --name whole >/dev/null
at=$(sed -n 's/^at //p' parent.out)

# fresh [OPTIONS]: nothing of the image is on this host.  The default policy
# foresees little where the far end is near, so another is asked for.
fresh() {
	! mountpoint -q "$mnt" || umount "$mnt"
	mount_image "127.0.0.1:/image/whole" \
		"port=$port,nosharecache,${1-prefetch=next}"
}

# The file of the area, and how much of it there is.
fresh
area=$(/usr/bin/python3 -c 'import sys
at = int(sys.argv[2], 16)
for line in open(sys.argv[1]):
    start, end = (int(n, 16) for n in line.split()[0].split("-"))
    if start <= at < end:
        print("%08x-%08x" % (start, end))' "$mnt/image/maps" "$at")
all=$(($(counter pages_present) * 4096))
allocated() {
	echo $(($(stat -c '%b * %B' "$1")))
}
present=$(allocated "$mnt/image/vma/$area")
[ "$present" -gt $((21 << 20)) ] || fail "only $present bytes in $area"

# moved WHAT BYTES: so many since the mount, no page twice.
moved() {
	[ "$(counter bytes_read)" = "$2" ] ||
		fail "$1: $(counter bytes_read) bytes moved, not $2"
}

# foreseen WHAT: most pages came before they were asked for.
foreseen() {
	local ahead=$(($(counter pages_prefetch) * 4096))
	[ $ahead -gt $(($2 / 2)) ] ||
		fail "$1: only $ahead of $2 bytes were foreseen"
}

/usr/bin/python3 -c 'import sys
start, end = (int(n, 16) for n in sys.argv[2].split("-"))
with open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as file:
    file.seek(start)
    while start < end:
        start += sys.stdout.buffer.write(file.read(min(1 << 20, end - start)))
' "$parent" "$area" >want
cat "$mnt/image/vma/$area" >got
cmp want got || fail "cat has other bytes"
moved "cat" "$present"
foreseen "cat" "$present"

# What the kernel has dropped comes once more, in the same way.
dd if="$mnt/image/vma/$area" iflag=nocache count=0 status=none
cat "$mnt/image/vma/$area" >got
cmp want got || fail "the second cat has other bytes"
moved "two cats" $((2 * present))
foreseen "two cats" $((2 * present))

for how in 'cp --sparse=always' 'dd bs=24k status=none' 'dd bs=3M status=none'; do
	fresh
	case $how in
	cp*) $how "$mnt/image/vma/$area" got ;;
	dd*) $how if="$mnt/image/vma/$area" of=got ;;
	esac
	cmp want got || fail "$how has other bytes"
	moved "$how" "$present"
	foreseen "$how" "$present"
done

# All at once, then the same pages for another file.
fresh
pids=()
for file in "$mnt"/image/vma/*; do
	cat "$file" >/dev/null &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
moved "cats at once" "$all"
cat "$mnt/image/core" >/dev/null
moved "cats and the core" $((2 * all))
foreseen "cats and the core" $((2 * all))

for options in prefetch=auto prefetch=stride prefetch=seq; do
	fresh $options
	cat "$mnt/image/vma/$area" >got
	cmp want got || fail "$options: other bytes"
	moved $options "$present"
	cat "$mnt/image/core" >/dev/null
	moved "$options, and the core" $((present + all))
done

# A file of which nothing is to come ahead.
for options in mode=cow prefetch=off; do
	fresh $options
	cat "$mnt/image/vma/$area" >got
	cmp want got || fail "$options: other bytes"
	moved $options "$present"
	[ "$(counter pages_prefetch)" = 0 ] || fail "$options: pages ahead"
done

umount "$mnt"
stop_daemon
kill -9 "$parent"
wait "$parent" || true
expect_nothing_left
