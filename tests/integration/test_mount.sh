#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_mount.sh - mount(8) and umount(8), by pid and by the name of an image
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl

work=$dir/work
mkdir "$work" "$mnt"
start parent "$zoo/zoo_drop" "$work"
parent=$pid
wait_ready parent "$parent"

mount -t "fuse.$tools/mitosisfs" "local:/pid/$parent" "$mnt"
grep -q "^Pid:[[:space:]]*$parent$" "$mnt/image/status" ||
	fail "another process's image"
umount "$mnt"

start_daemon
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name kept >said
"$tools/mitosisctl" --socket "$socket" list | grep -q kept ||
	fail "the image is not in the list"
for turn in 1 2; do
	mount -t "fuse.$tools/mitosisfs" 127.0.0.1:/image/kept "$mnt" \
		-o "port=$port"
	cat "$mnt"/image/vma/* | sha256sum >"sum.$turn"
	umount "$mnt"
done
cmp sum.1 sum.2 || fail "one image, two contents"
# A mitosisfs that is late to end: by then another mount has its place, and the number
# of its device, for the kernel gives the least that is free.  Held by a reader, its
# file system lives on, out of sight: not its own is what it would unmount by the path.
nr_late=0
device_of() {
	mountpoint -d "$mnt"
}

late_to_end() {
	local mnt=$dir/late.$((++nr_late))
	mount_image 127.0.0.1:/image/kept "port=$port,nosharecache"
	late=$(server_pid) device=$(device_of)
	[ "$1" != held ] || exec {held}<"$mnt/image/status"
	kill -STOP "$late"
	umount -ci ${2-} "$mnt" # asks the server nothing
	mount_image 127.0.0.1:/image/kept "port=$port,nosharecache"
	if [ "$1" = free ] && [ "$(device_of)" != "$device" ]; then
		kill -9 "$late"
		umount "$mnt"
		return 1
	fi
	kill -TERM "$late"
	kill -CONT "$late"
	wait_for 20 gone "$late"
	[ "$1" != held ] || exec {held}<&-
	grep -q "^Pid:[[:space:]]*$parent$" "$mnt/image/status" ||
		fail "$1: the mount that came after is gone"
	umount "$mnt"
}

for _ in 1 2 3 4 5 6; do # another test may get the number
	! late_to_end free || break
done
late_to_end held -l

"$tools/mitosisctl" --socket "$socket" status --json |
	/usr/bin/python3 -m json.tool >/dev/null || fail "status is not JSON"
"$tools/mitosisctl" --socket "$socket" release kept >said
! mount -t "fuse.$tools/mitosisfs" 127.0.0.1:/image/kept "$mnt" \
	-o "port=$port" 2>why.txt || fail "a released image was mounted"

# A process that has lines and escape sequences in its name says nothing by them.
start named /usr/bin/python3 -c '
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b"\x1b[1m\nstate: q\xff", 0, 0, 0)
os.write(1, b"ready\n")
time.sleep(1000)'
named=$pid
wait_ready named "$named"
mount_image "local:/pid/$named"
[ "$(grep -ac '^state: ' "$mnt/status")" = 1 ] &&
	! LC_ALL=C grep -aq '[^ -~]' "$mnt/status" ||
	fail "a name on lines of its own: $(head -8 "$mnt/status")"
/usr/bin/python3 -m json.tool "$mnt/status.json" >/dev/null ||
	fail "status.json is not JSON"
umount "$mnt"
kill "$named"

touch "$work/go"
expect_ok parent "$parent"
stop_daemon
expect_nothing_left
