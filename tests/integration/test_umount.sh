#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_umount.sh WAY - when mitosis-load has returned, nobody holds the mount any
# more: umount(8) at once is never EBUSY, however busy the machine is
LIMIT=220
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load
rounds=50

# Children of all kinds: one that ends by itself, one that is killed, one that
# leaves something running.
cat >parent.py <<'END'
import os, subprocess, sys, threading
memory = bytearray(os.urandom(1 << 20)) * 8
threading.Thread(target=threading.Event().wait, daemon=True).start()
os.write(1, b"ready\n")
line = b""
while not line.endswith(b"\n"):
    line += os.read(0, 1) or sys.exit(9)
for at in range(0, len(memory), 4096):
    memory[at] ^= 1
if b"leave" in line:
    subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
if b"die" in line:
    os.kill(os.getpid(), 9)
os._exit(0)
END

mkfifo parent.in
start parent sh -c 'exec /usr/bin/python3 parent.py <parent.in'
parent=$pid
exec 9>parent.in
wait_ready parent "$parent"

# Who has something of the mount open or mapped, stands in it, or has a copy of it
# in another mount namespace.
holders() {
	local task
	grep -lsF " $mnt " /proc/[0-9]*/mountinfo | sed 's/^/copy: /' || true
	for task in /proc/[0-9]*/task/[0-9]*; do
		{
			readlink "$task"/{cwd,root,exe} "$task"/fd/*
			awk '{ print $6 }' "$task/maps"
			true
		} 2>/dev/null | grep -F "$mnt" >/dev/null || continue
		echo "holder: $task $(tr '\0' ' ' <"$task/cmdline") $(cat "$task/wchan")"
	done
}

busy=()
for i in 1 2 3 4; do
	sh -c 'while :; do :; done' &
	busy+=($!)
done
for ((i = 0; i < rounds; i++)); do
	take_image "$way" "$parent"
	choose_loader "$way"
	commands=(end die leave)
	status=0
	"${loading[@]}" "$mnt/image" <<<"${commands[i % 3]}" >load.out 2>&1 ||
		status=$?
	[ $status = 0 ] || [ "$status ${commands[i % 3]}" = '137 die' ] ||
		fail "round $i: the child ended with $status"
	umount "$mnt" 2>umount.err || {
		holders
		fail "round $i: $(cat umount.err)"
	}
done
kill "${busy[@]}"
echo end >&9
expect_exit "$parent" 0 "the parent"
expect_nothing_left
