#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_splice.sh - a thread that waits for a socket in splice(2) has its pipe's lock:
# nobody waits for it, and the call goes on in the parent
LIMIT=60
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

cat >splicer.py <<-'END'
	import fcntl, os, socket, sys, threading
	def say(*words): # at once: two threads speak
	    os.write(1, (" ".join(map(str, words)) + "\n").encode())
	near, far = socket.socketpair()
	out, into = os.pipe()
	fcntl.fcntl(into, 1031, 1 << 17)
	# Not again before it was read: the next call would keep the reader out.
	was_read = threading.Semaphore()
	def work():
	    while was_read.acquire():
	        nr = os.splice(near.fileno(), into, 4096)
	        say("spliced", nr)
	threading.Thread(target=work, daemon=True).start()
	say("starts")
	for line in sys.stdin:
	    far.send(line.encode())
	    say("read", os.read(out, 4096).decode().strip())
	    was_read.release()
END
mkfifo in
/usr/bin/python3 splicer.py <in >out.txt &
parent=$!
exec {talk}>in
wait_for 30 grep -q ^starts out.txt
splices() {
	grep -qs '^275 ' "/proc/$parent/task/"*/syscall
}
wait_for 30 splices

mkdir mnt
timeout 20 "$tools/mitosisfs" "local:/pid/$parent" mnt {talk}>&- || fail "no image: $?"
note_connection "$(mountpoint -d mnt)"
splices || fail "the parent's call has ended"
for word in one two; do
	echo $word >&$talk
	wait_for 30 grep -q "^read $word" out.txt
done
both_are_told() {
	[ "$(grep -c ^spliced out.txt)" = 2 ]
}
wait_for 30 both_are_told
exec {talk}>&-
wait "$parent" || fail "the parent ended with $?"
umount mnt
