#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_load.sh WAY - the loader's manners: status, signals, -n, --detach
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load

cat >parent.py <<'END'
import os, signal, sys, time
got = []
signal.signal(signal.SIGTERM, lambda *_: got.append("TERM"))
signal.signal(signal.SIGUSR1, lambda *_: got.append("USR1"))
signal.signal(34, lambda *_: got.append("34"))
os.write(1, b"ready\n")
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
    if got:
        os.write(1, f"got {got[0]}\n".encode())
        sys.exit(7)
os.write(1, b"ok\n")
sys.exit(3)
END

mkdir work
start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
take_image "$way" "$parent"

# A signal to the loader reaches the child; its status comes back.
load_child "$way" signalled
random_pause 100
kill -TERM "$loader"
expect_exit "$loader" 7 "the signalled child"
has_line signalled.out 'got TERM' || fail "SIGTERM did not reach the child"

# The first real-time signal, too, which musl keeps for itself.
load_child "$way" realtime
random_pause 100
kill -34 "$loader"
expect_exit "$loader" 7 "the child with a real-time signal"
wait_for 10 has_line realtime.out 'got 34'

# A child that dies of a signal looks as in a shell.
load_child "$way" killed
kill -KILL "$(cat killed.pid)"
expect_exit "$loader" 137 "the killed child"

# Detached: the loader comes back, and the child goes on.
"${loading[@]}" --detach --pid-file "$dir/detached.pid" \
	"$mnt/image" </dev/null >detached.out 2>&1
detached=$(cat detached.pid)
random_pause 100
! gone "$detached" || fail "the detached child is gone"
kill -USR1 "$detached"
wait_for 10 gone "$detached"
has_line detached.out 'got USR1' || fail "the detached child did not answer"

# What would go wrong behind the load is refused before a child runs.
for wrong in --pid-file="$dir/none/pid" --pid-file="$dir" --fd=77=/dev/null \
	--port=1=2; do
	status=0
	"${loading[@]}" "$wrong" "$mnt/image" </dev/null >wrong.out 2>&1 ||
		status=$?
	[ $status = 69 ] && [ "$(wc -l <wrong.out)" = 1 ] &&
		grep -q -e "${wrong%%=*}" wrong.out ||
		fail "$wrong: $status, $(cat wrong.out)"
done

# Several at once, each whole.
load_child "$way" several -n 3
random_pause 200
touch work/go
expect_exit "$loader" 3 "the loader of three"
[ "$(grep -cx ok several.out)" = 3 ] || fail "not three children said ok"
expect_exit "$parent" 3 "the parent"
drop_image "$way"
expect_nothing_left
