#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_folder.sh - the folder of mitosisd's socket: what others, who can open it, can
# do with it
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl
need_programs setpriv flock

as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

is_locked() {
	! flock -n "$dir/run" true
}

# Anybody may lock what he can open: the daemon starts all the same.
mkdir run
chmod 755 run
"${as_nobody[@]}" flock -x "$dir/run" sleep 120 &
holder=$!
wait_for 10 is_locked
socket=$dir/run/control.sock
start daemon "$tools/mitosisd" --listen none --socket "$socket"
daemon=$pid
wait_for 20 test -S "$socket"
ctl status >status.out || fail "the daemon does not answer"
is_locked || fail "nobody held the folder any more: nothing was tested"
kill -TERM "$daemon"
expect_exit "$daemon" 0 "the daemon"
[ -z "$(ls -A run)" ] || fail "left in the folder: $(ls -A run)"

# Everybody may connect, whatever the umask of who starts it.
rmdir run
start strict bash -c "umask 077; exec '$tools/mitosisd' --listen none --socket '$socket'"
daemon=$pid
wait_for 20 test -S "$socket"
(PATH=/usr/bin:/bin exec "${as_nobody[@]}" "$tools/mitosisctl" --socket "$socket" status) \
	>status.out || fail "nobody cannot reach a daemon that has the umask 077"
kill -TERM "$daemon"
expect_exit "$daemon" 0 "the daemon with the umask 077"

# A lock that its holder keeps is told, and not waited for without end.
touch run/control.sock.lock
chmod 600 run/control.sock.lock
flock -x run/control.sock.lock sleep 120 &
wait_for 10 eval '! flock -n run/control.sock.lock true'
refused 'control.sock.lock has been locked' timeout 30 "$tools/mitosisd" --listen none \
	--socket "$socket"

for pid in $(ours); do
	kill -KILL "$pid"
done
wait
expect_nothing_left
