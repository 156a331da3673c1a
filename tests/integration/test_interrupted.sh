#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_interrupted.sh - a signal that comes while the parent stands still ends what it
# waits in, in the child as in the parent
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

# Waits for a signal, in the main thread or, where that blocks it, in another.
cat >parent.py <<'END'
import signal, sys, threading, time
def wait():
    print('ready', flush=True)
    signal.pause()
    print('woken', flush=True)
signal.signal(signal.SIGUSR1, lambda signo, frame: print('handled', flush=True))
if sys.argv[1] == 'main':
    wait()
else:
    thread = threading.Thread(target=wait)
    thread.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    thread.join()
END
stopped() {
	[ "$(awk '$1 == "State:" { print $2 }' "/proc/$parent/status")" = T ]
}
masked() {
	[ "$(awk '$1 == "SigBlk:" { print $2 }' "/proc/$parent/status")" != \
		0000000000000000 ]
}
in_pause() {
	grep -q '^34 ' "/proc/$parent"/task/*/syscall
}
for who in main other; do
	start "$who" /usr/bin/python3 parent.py $who
	parent=$pid
	wait_ready "$who" "$parent"
	wait_for 20 in_pause
	[ $who = main ] || wait_for 20 masked
	kill -STOP "$parent"
	wait_for 20 stopped
	kill -USR1 "$parent"
	mount_image "local:/pid/$parent"
	for way in --memory=shared --memory=own; do
		status=0
		timeout 30 "$tools/mitosis-load" $way "$mnt/image" >out.txt 2>&1 ||
			status=$?
		[ $status = 0 ] || fail "$who with $way: $status, $(cat out.txt)"
		[ "$(sort out.txt | tr '\n' ' ')" = 'handled woken ' ] ||
			fail "$who with $way: $(cat out.txt)"
	done
	umount "$mnt"
	kill -CONT "$parent"
	expect_exit "$parent" 0 "the parent"
	has_line "$who.out" woken || fail "the parent was not woken"
done
