#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_warm_fill.sh - what breaks off the filling of the warm file harms no child
#
# An image of 256 MiB is brought whole.  In the middle of it the kernel refuses more
# memory: the mount stays cold, says so, and its child is right.  In the middle of it
# mitosisfs is killed: nothing is left, and the next mount is right.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosis-load mitosisctl
need_programs prlimit

cat >parent.py <<'END'
import hashlib, os, sys, time
unit = bytes(range(256)) * 8192
memory = bytearray().join(unit[i:] + unit[:i] for i in range(128))   # 256 MiB
few = [bytearray(os.urandom(4096)) for i in range(2000)]

def look():
    seen = hashlib.sha256(memory)
    for page in few:
        seen.update(page)
    return seen.hexdigest()

right = look()
os.write(1, b"ready\n")
while not os.path.exists(f"{sys.argv[1]}/go"):
    time.sleep(0.001)
os.write(1, b"ok\n" if look() == right else b"wrong\n")
END

# Unmount, and wait for its end: or there would be two.
unmount() {
	local pid
	pid=$(server_pid)
	umount "$mnt"
	wait_for 60 gone "$pid"
}

tier() {
	sed -n 's/^tier: //p' "$mnt/status"
}

is_over() {
	[ "$(sed -n 's/^eager: //p' "$mnt/status")" = complete ] &&
		[ "$(tier)" != filling ]
}

# Load a child NAME of what is mounted; it must find its memory as it was.
child_is_right() {
	touch work/go
	load_child tcp-shared "$1"
	expect_exit "$loader" 0 "$1"
	wait "${reader_of[$1]}" || true
	[ "$(tail -n 1 "$1.out")" = ok ] || fail "$1 is wrong"
	rm work/go
}

mkdir work
start parent setsid /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
start_daemon
ctl prepare --name large "$parent" >/dev/null
kill -STOP "$parent" # or it would go with its children
source=127.0.0.1:/image/large
options=port=$port,proto=tcp,nosharecache,mode=eager

mount_image "$source" "$options,eager=wait"
case $(tier) in
warm) ;;
"cold (this kernel has no"*) skip "$(tier)" ;;
*) fail "tier: $(tier)" ;;
esac
child_is_right whole
unmount

# A limit of file sizes stops writes as a full memory does, in one process only.
for ((try = 1; ; try++)); do
	mount_image "$source" "$options"
	prlimit --fsize=4096:4096 --pid "$(server_pid)"
	wait_for 60 is_over
	[ "$(tier)" = warm ] || break # it was over already
	unmount
	[ "$try" -lt 20 ] || fail "the filling is always over before the limit"
done
[ "$(tier)" = "cold (no memory for all of the image)" ] || fail "tier: $(tier)"
! cat "$mnt/image/.warm" 2>/dev/null || fail "there is a .warm"
[ "$(counter pages_here)" = "$(counter pages_present)" ] ||
	fail "pages have not come"
child_is_right refused
unmount

for _ in 1 2 3 4; do
	mount_image "$source" "$options"
	server=$(server_pid)
	random_pause 100
	kill -9 "$server"
	wait_for 20 gone "$server"
	umount "$mnt"
done
mount_image "$source" "$options,eager=wait,warm=require"
child_is_right again
unmount
kill -9 "$parent"
wait "$parent" || true
stop_daemon
expect_nothing_left
