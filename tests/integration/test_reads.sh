#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_reads.sh - a million random reads of an image over TCP are the stopped
# process's own bytes; and what was never touched stays untouched
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd
reads=$build/tests/integration/reads

cat >parent.py <<'END'
import ctypes, json, mmap, os, random, time
source = random.Random(int(os.environ["SEED"]))
private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
full = mmap.mmap(-1, 16 << 20, private)
full[:] = source.randbytes(16 << 20)
sparse = mmap.mmap(-1, 256 << 20, private)
for i in range(2000): # single pages, here and there
    at = source.randrange(65536) * 4096
    sparse[at:at + 4096] = source.randbytes(4096)
shared = mmap.mmap(-1, 1 << 20, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
shared[:500000] = source.randbytes(500000)
closed = mmap.mmap(-1, 1 << 20, private)
closed[:] = source.randbytes(1 << 20)
here = ctypes.addressof(ctypes.c_char.from_buffer(closed))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(here), 1 << 20, 0) == 0
never = mmap.mmap(-1, 64 << 20, private)
data = {i: str(i) for i in range(100000)}
libc = ctypes.CDLL(None)
libc.pthread_self.restype = ctypes.c_void_p # the thread's pointer, as ABI has it
os.write(1, b"never %x\nrseq %x\nready\n" % (
    ctypes.addressof(ctypes.c_char.from_buffer(never)),
    libc.pthread_self() + ctypes.c_ssize_t.in_dll(libc, "__rseq_offset").value))
while True:
    time.sleep(1000)
END
seed=${SEED:-$((RANDOM << 15 | RANDOM))}
echo "seed $seed"
SEED=$seed start parent /usr/bin/python3 parent.py "$dir" # no other test's
parent=$pid
wait_ready parent "$parent"
start_daemon
kill -STOP "$parent"
mount_image "127.0.0.1:/pid/$parent" "port=$port"
# Others may end while they are looked at.
twin=$({ grep -lsE "^TracerPid:[[:space:]]*[1-9]" /proc/[0-9]*/status || true; } |
	cut -d/ -f3 | while read -r pid; do
	! cmp -s "/proc/$pid/cmdline" "/proc/$parent/cmdline" || echo "$pid"
done)
[ "$(wc -w <<<"$twin")" = 1 ] || fail "not one twin: $twin"

# ---- holes ----

# A look at a page that is not there makes one, be it the zero page: what a
# process has in the area must not change, nor what it has for itself.
memory() {
	awk '/^(Anonymous|Pss_Anon|Pss_Shmem|AnonHugePages|Swap):/ {
		print $1, $2 }' "/proc/$1/smaps_rollup"
	/usr/bin/python3 -c 'import sys
at = int(sys.argv[2], 16)
with open(f"/proc/{sys.argv[1]}/pagemap", "rb") as file:
    file.seek(at // 4096 * 8)
    entries = memoryview(file.read((64 << 20) // 4096 * 8)).cast("Q")
print("there", sum(entry >> 62 != 0 for entry in entries))' "$1" "$at"
}
at=$(sed -n 's/^never //p' parent.out)
area=$(/usr/bin/python3 -c 'import sys
at = int(sys.argv[2], 16)
for line in open(sys.argv[1]):
    start, end = (int(n, 16) for n in line.split()[0].split("-"))
    if start <= at < end:
        print(line.split()[0], at - start)' "$mnt/image/maps" "$at")
read -r area skip <<<"$area"
before=$(memory "$parent" && memory "$twin")
moved() {
	awk '$1 == "bytes_read:" { print $2 }' "$mnt/status"
}
[ "$(moved)" = 0 ] || fail "a mount moved bytes"
# zeros FILE OFFSET: its next 64 MiB are.
zeros() {
	[ "$(dd if="$1" bs=1M iflag=skip_bytes,fullblock skip="$2" count=64 \
		status=none | tr -d '\0' | wc -c)" = 0 ] ||
		fail "a hole has bytes in $1"
}
zeros "$mnt/image/vma/$area" "$skip"
zeros "$mnt/image/mem" $((0x$at))
[ "$(moved)" -le 131072 ] || fail "holes moved $(moved) bytes"
after=$(memory "$parent" && memory "$twin")
[ "$before" = "$after" ] || fail "holes were felt: $before then $after"

# ---- a million reads ----

timeout 180 "$reads" "$mnt/image" "$parent" "$seed" 1000000 \
	"$(sed -n 's/^rseq //p' parent.out)" >out.txt ||
	fail "$(tail -3 out.txt)"
cat out.txt
umount "$mnt"
stop_daemon
kill -9 "$parent"
wait "$parent" || true
expect_nothing_left
