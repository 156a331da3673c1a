#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_silent.sh - who takes a connection and does not say HELLO is given up within
# seconds, in words; who says it may take its time with what is asked
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl

# Arguments: a word, and the port of a daemon.  "mute" never answers, "half" sends half
# of a header, "other" something else; "slow" leads to the daemon, whose
# answer to PREPARE it keeps for 8 s.  Prints its port, and listens at WORD.sock, too.
cat >listener.py <<'END'
import socket, sys, threading, time

how, port = sys.argv[1], int(sys.argv[2])
PREPARE = 2

def answer(peer):
    peer.recv(1)
    if how == "half":
        peer.sendall(b"MITO\x01\0\x01\0\0\0")
    elif how == "other":
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    time.sleep(100)

def lead(peer):
    far, asked = socket.create_connection(("127.0.0.1", port)), []
    def back():
        for part in iter(lambda: far.recv(1 << 16), b""):
            time.sleep(8 if asked[-1] == PREPARE else 0)
            peer.sendall(part)
        peer.close()
    threading.Thread(target=back, daemon=True).start()
    for part in iter(lambda: peer.recv(1 << 16), b""):
        asked.append(int.from_bytes(part[4:6], "little"))
        far.sendall(part)
    far.close()

def take(server):
    while True:
        peer, _ = server.accept()
        threading.Thread(target=lead if how == "slow" else answer, args=(peer,),
                         daemon=True).start()

local = socket.socket(socket.AF_UNIX)
local.bind(how + ".sock")
local.listen()
threading.Thread(target=take, args=(local,), daemon=True).start()
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
take(server)
END
listen() { # listen WORD DAEMONS_PORT
	start "$1" /usr/bin/python3 listener.py "$1" "$2"
	wait_for 20 test -s "$1.out"
	at=$(<"$1.out")
}

# The time that all may take is that of a slow machine.
given_up() { # given_up WORDS COMMAND...
	local words=$1 since=$SECONDS status=0
	shift
	timeout 100 "$@" >said.txt 2>why.txt || status=$?
	echo "$((SECONDS - since)) s: $(<why.txt)"
	[ $status != 0 ] && [ $status -lt 124 ] || fail "status $status: $*"
	[ $((SECONDS - since)) -lt 20 ] || fail "it took too long: $*"
	[ "$(wc -l <why.txt)" = 1 ] || fail "not one line: $*"
	grep -qE "$words" why.txt || fail "not in words ($words): $*"
}

mkdir "$mnt"
for how in mute half other; do
	listen "$how" 0
	port_words='no answer in time: is it mitosisd.s port'
	socket_words='no answer in time: is the mitosisd there stopped'
	if [ $how = other ]; then
		port_words='what answers there is no mitosisd'
		socket_words=$port_words
	fi
	given_up "$port_words" "$tools/mitosisfs" "127.0.0.1:/pid/1" "$mnt" -o "port=$at"
	[ $how != half ] || continue
	given_up "$port_words" "$tools/mitosisctl" --host 127.0.0.1 --port "$at" prepare 1
	given_up "$socket_words" "$tools/mitosisfs" "unix:/pid/1" "$mnt" \
		-o "socket=$dir/$how.sock"
done
given_up "$socket_words" "$tools/mitosisctl" --socket "$dir/other.sock" prepare 1
if [ -x "$tools/mitosis-bench" ]; then
	at=$(<mute.out)
	given_up 'no answer in time' "$tools/mitosis-bench" rpc --connect "127.0.0.1:$at"
fi

# A prepare takes what it takes.
start_daemon
sleep 1000 &
sleeper=$!
listen slow "$port"
take_s=$SECONDS
"$tools/mitosisctl" --host 127.0.0.1 --port "$at" prepare $sleeper --name late >/dev/null ||
	fail "a slow daemon was given up"
[ $((SECONDS - take_s)) -ge 7 ] || fail "the daemon was not slow"
mount_image "127.0.0.1:/pid/$sleeper" "port=$at,proto=tcp"
kill $sleeper
umount "$mnt"
stop_daemon
