#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_refusals.sh - real processes that cannot be imaged: refused in words,
# and as they were afterwards
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs
mkdir "$mnt" work

# What a process may hold that no twin can have; "cannot" where the kernel says
# no.  python3 holder.py WHAT DIR
cat >holder.py <<'END'
import ctypes, mmap, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p

def io_uring():
    params = (ctypes.c_char * 120)()
    fd = libc.syscall(425, 4, params)
    return fd >= 0 and mmap.mmap(fd, 4096, mmap.MAP_SHARED)

def device():
    # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK: its ring is the kernel's.
    attr = struct.pack("<IIQ", 1, 120, 0).ljust(120, b"\0")
    fd = libc.syscall(298, attr, 0, -1, -1, 0)
    size = 2 * mmap.PAGESIZE
    return fd >= 0 and libc.mmap(None, size, 3, 1, fd, 0) != 2**64 - 1

def nothing():
    return True

kept = globals()[sys.argv[1]]()
print("ready" if kept is not False else "cannot", flush=True)
while not os.path.exists(sys.argv[2] + "/go"):
    time.sleep(0.01)
print("ok")
END

hold() {
	start "$1" /usr/bin/python3 holder.py "$1" "$dir/work"
	wait_for 20 test -s "$1.out"
}

# refused PID WORDS
refused() {
	local before status=0
	before=$(portrait "$1")
	timeout 30 "$tools/mitosisfs" "local:/pid/$1" "$mnt" 2>why.txt ||
		status=$?
	[ $status != 0 ] && [ $status -lt 124 ] || fail "$2: status $status"
	[ "$(wc -l <why.txt)" = 1 ] && grep -qiE "$2" why.txt ||
		fail "not refused as '$2': $(cat why.txt)"
	! mountpoint -q "$mnt" || fail "mounted all the same"
	diff <(echo "$before") <(portrait "$1") || fail "$2: the process changed"
}

cannot=
for what in io_uring device; do
	hold "$what"
	if has_line "$what.out" cannot; then
		cannot="$cannot $what"
	else
		refused "$pid" "io_uring|device"
	fi
	held+=("$what $pid")
done

# A group of processes that is full: neither twin nor helper fits in.
pids=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if ! grep -qw pids "$pids/cgroup.controllers" 2>/dev/null; then
	pids=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ { print $2 }' \
		/proc/mounts)
fi
group=$pids/mitosis-test-$$
if [ -n "$pids" ] && mkdir "$group" 2>/dev/null && [ -e "$group/pids.max" ]; then
	hold nothing
	full=$pid
	echo "$full" >"$group/cgroup.procs"
	cat "$group/pids.current" >"$group/pids.max"
	refused "$full" 'pids.max'
	echo max >"$group/pids.max"
	mount_image "local:/pid/$full"
	umount "$mnt"
	held+=("nothing $full")
else
	cannot="$cannot pids.max"
fi

touch work/go
for one in "${held[@]}"; do
	read -r name pid <<<"$one"
	expect_ok "$name" "$pid"
done
rmdir "$group" 2>/dev/null || true
expect_nothing_left
[ -z "$cannot" ] || skip "this kernel does not allow a test of:$cannot"
