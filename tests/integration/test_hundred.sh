#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_hundred.sh - a hundred images of one busy process in a row
#
# By the daemon ($IMAGES of them, 90), and some by mounts; the parent, the daemon and the machine are
# afterwards as they were.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl

work=$dir/work
mkdir "$work"

descriptors() {
	ls "/proc/$1/fd" | wc -l
}

anonymous_kib() {
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status"
}

# The daemon at rest: with a keeper that waits for the next image, and its pipe.
is_at_rest() {
	[ "$(pgrep -cP "$daemon")" = 1 ]
}

descriptors_are() {
	[ "$(descriptors "$daemon")" = "$1" ]
}

image_once() {
	"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name "i$1" \
		>prepare.out
	"$tools/mitosisctl" --socket "$socket" release "i$1" >release.out
}

start parent "$zoo/zoo_worker" "$work"
parent=$pid
wait_ready parent "$parent"
start_daemon
image_once 0
before=$(portrait "$parent")
wait_for 20 is_at_rest
fds=$(descriptors "$daemon")
kib=$(anonymous_kib "$daemon")

for i in $(seq "${IMAGES:-90}"); do
	image_once "$i"
done
for i in $(seq 10); do
	mount_image "local:/pid/$parent"
	cat "$mnt/image/maps" >/dev/null
	umount "$mnt"
done

diff <(echo "$before") <(portrait "$parent") || fail "the parent changed"
"$tools/mitosisctl" --socket "$socket" list >list.out
! grep -q '^i[0-9]' list.out || fail "an image is left: $(cat list.out)"
wait_for 20 is_at_rest
wait_for 20 descriptors_are "$fds"
[ "$(anonymous_kib "$daemon")" -le $((kib + 2048)) ] ||
	fail "the daemon grew from $kib to $(anonymous_kib "$daemon") KiB"
touch "$work/go"
expect_ok parent "$parent"
stop_daemon
expect_nothing_left
