#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_dumpable.sh - a parent that keeps its user away from its memory has children
# that do so, too
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs setpriv

user=65534
as_user=(setpriv --reuid $user --regid $user --clear-groups)

# Drops memory, so that the loader has to reach it, and tells what it is.
cat >parent.py <<'END_PY'
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None)
libc.prctl(4, int(sys.argv[1]))
area = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.write(b'x' * (1 << 20))
print('ready', flush=True)
sys.stdin.readline()
area.madvise(mmap.MADV_DONTNEED)
print(libc.prctl(3), os.getuid(), area[:].count(0), flush=True)
sys.stdin.readline()
END_PY
mkfifo never
exec 7<>never
parent() {
	start "$1" "${as_user[@]}" \
		sh -c 'exec /usr/bin/python3 parent.py "$1" <never 7>&-' sh "$2"
	parent=$pid
	wait_ready "$1" "$parent"
	mount_image "local:/pid/$parent"
}

# child DUMPABLE COMMAND...
child() {
	local want="$1 $user 1048576" status=0
	shift
	printf '\n\n' | timeout 60 "$@" >out.txt 2>&1 || status=$?
	[ "$status $(cat out.txt)" = "0 $want" ] ||
		fail "with $*: $status, not '$want' but $(cat out.txt)"
}

load=$tools/mitosis-load
for dumpable in 0 1; do
	parent parent-$dumpable $dumpable
	child $dumpable "$load" "$mnt/image"
	child $dumpable "$load" --pid=new "$mnt/image"
	child $dumpable "$load" --memory=own "$mnt/image"
	start_server local-shared
	child $dumpable "$load" --at="$dir/serve.sock"
	stop_server

	start first-$dumpable sh -c 'exec "$@" <never 7>&-' sh "$load" \
		--pid-file="$dir/first.pid" "$mnt/image"
	wait_for 20 test -s first.pid
	# Its own user may trace it, or not.
	status=0
	"${as_user[@]}" head -c 1 "/proc/$(cat first.pid)/maps" >/dev/null 2>&1 ||
		status=$?
	[ $status = $((1 - dumpable)) ] || fail "its user: $status with $dumpable"
	kill -9 "$(cat first.pid)"
	rm first.pid

	# A loader without privilege is its user, and has to reach its memory.
	cp -a "$mnt/image" copy-$dumpable
	chown -R $user copy-$dumpable
	child 1 "${as_user[@]}" "$load" --pid=new copy-$dumpable
	umount "$mnt"
done
