#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_seccomp.sh - a process in seccomp's strict mode, which every other call would
# kill, lives on when its image is released while it is taken, at any moment
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl

cat >strict.py <<'END'
import ctypes, os
libc = ctypes.CDLL(None)
memory = bytearray(32 << 20)
buffer = ctypes.create_string_buffer(1)
os.write(1, b"ready\n")
assert libc.prctl(22, 1, 0, 0, 0) == 0
while libc.read(0, buffer, 1) == 1:
    libc.write(1, buffer, 1)
libc.syscall(60, 0)
END
mkfifo questions answers
/usr/bin/python3 strict.py <questions >answers &
strict=$!
exec 8>questions 9<answers
read -r -u 9 -t 20 line && [ "$line" = ready ] || fail "it did not begin"

lives() {
	local answer
	echo . >&8
	read -r -u 9 -t 20 answer && [ "$answer" = . ]
}
lives || fail "it does not answer"
grep -qx 'Seccomp:.1' /proc/$strict/status || fail "it is in no strict mode"

start_daemon
ctl=("$tools/mitosisctl" --socket "$socket")
"${ctl[@]}" prepare $strict --name whole >/dev/null || fail "no image of it"
"${ctl[@]}" release whole
lives || fail "its image has killed it"
for round in {0..59}; do
	"${ctl[@]}" prepare $strict --name cut >/dev/null 2>&1 &
	prepare=$!
	sleep "0.00$((round / 6))$((round % 6))"
	"${ctl[@]}" release cut >/dev/null 2>&1 || true
	wait $prepare || true
	"${ctl[@]}" release cut >/dev/null 2>&1 || true
	lives || fail "it died in round $round"
done
stop_daemon # which holds our descriptors
exec 8>&-
expect_exit $strict 0 "the process in strict mode"
