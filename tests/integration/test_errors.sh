#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_errors.sh - every refusal is an exit status, one line, and nothing left
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load mitosisd mitosisctl

mkdir "$mnt" work
bad=0

# refused WORDS COMMAND...: it fails, with one line on stderr that has the words.
refused() {
	local words=$1 status=0
	shift
	timeout 30 "$@" >said.txt 2>why.txt || status=$?
	if [ $status = 0 ] || [ $status -ge 124 ] ||
		[ "$(wc -l <why.txt)" != 1 ] || ! grep -qiE "$words" why.txt; then
		echo "not refused as '$words' (status $status): ${*##*/}"
		cat why.txt
		bad=1
	fi
	if mountpoint -q "$mnt"; then
		echo "mounted all the same: $*"
		umount "$mnt"
		bad=1
	fi
}

# A daemon of another time: its HELLO has version 99.
start_other_version() {
	start other /usr/bin/python3 -c '
import socket, struct, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
peer, _ = server.accept()
magic, kind, _, number, _, _, _ = struct.unpack("<IHHIiII", peer.recv(24))
peer.sendall(struct.pack("<IHHIiII", magic, kind, 1, number, 0, 8, 0) +
             struct.pack("<II", 99, 1 << 20))
peer.recv(4096)
'
	wait_for 10 test -s other.out
	read -r other_port <other.out
}

fs=$tools/mitosisfs
start sleeper "$zoo/zoo_lazy" "$dir/work"
sleeper=$pid
wait_ready sleeper "$sleeper"
before=$(portrait "$sleeper")

refused 'no such process' "$fs" local:/pid/4194303 "$mnt"
refused 'usage|source' "$fs" nonsense "$mnt"
refused 'usage|source' "$fs" local:/pid/x "$mnt"
refused 'source' "$fs" "local:/pid/$(printf '%05000d' "$sleeper")" "$mnt"
refused 'no such host|no name server' "$fs" no-host.invalid:/pid/1 "$mnt"
refused 'is it running' "$fs" 127.0.0.1:/pid/1 "$mnt" -o port=1
refused 'no such|not a dir|mount point' "$fs" "local:/pid/$sleeper" "$dir/none"
refused 'option' "$fs" "local:/pid/$sleeper" "$mnt" -o no-such-option
refused '.-o wants options' "$fs" "local:/pid/$sleeper" "$mnt" -o
refused 'in brackets: .::1.:/pid/1' "$fs" ::1:/pid/1 "$mnt"
refused 'port' "$fs" 127.0.0.1:/pid/1 "$mnt" -o port=70000
start_other_version
refused 'version' "$fs" 127.0.0.1:/pid/1 "$mnt" -o "port=$other_port"
refused 'may not trace' setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$fs" "local:/pid/$sleeper" "$mnt"

start tracer "$zoo/tracer" "$sleeper"
tracer=$pid
wait_ready tracer "$tracer"
refused 'already traces' "$fs" "local:/pid/$sleeper" "$mnt"
kill "$tracer"
wait "$tracer" || true

start_daemon
at=("127.0.0.1:/pid/4194303" "$mnt" -o "port=$port")
refused 'no such process' "$fs" "${at[@]}"
refused 'no such image|unknown image|no image' "$fs" 127.0.0.1:/image/none \
	"$mnt" -o "port=$port"
ctl=("$tools/mitosisctl" --socket "$socket")
refused 'no such process' "${ctl[@]}" prepare 4194303 --name x
refused 'image' "${ctl[@]}" release none
refused 'name' "${ctl[@]}" prepare "$sleeper" --name '../x'
refused 'no mitosisd answers' "$tools/mitosisctl" --socket \
	"$dir/none.sock" list
refused 'no mitosisd answers' "$tools/mitosisctl" --host '[::1]' --port 1 ls
refused 'no such host|no name server' "$tools/mitosisctl" --host no-host.invalid ls
refused '.--port is about --host' "$tools/mitosisctl" --port "$port" ls
refused '.--name and --lease are about prepare' "${ctl[@]}" --name x ls
refused 'taken' "$tools/mitosisd" --listen "127.0.0.1:$port" --socket \
	"$dir/second.sock"
refused 'authenticat|loopback' "$tools/mitosisd" --listen 0.0.0.0:0 --socket \
	"$dir/second.sock"

refused 'no such file|image' "$tools/mitosis-load" "$dir/none"
refused 'image' "$tools/mitosis-load" "$dir/work"
refused 'option' "$tools/mitosis-load" --no-such-option "$dir/work"
refused 'memory' "$tools/mitosis-load" --memory=borrowed "$dir/work"

# wrong WORDS COMMAND...: refused as a wrong line, before anything was done.
wrong() {
	local words=$1 status=0
	shift
	refused "$words" "$@"
	timeout 30 "$@" >/dev/null 2>&1 || status=$?
	[ $status = 2 ] || fail "'$*' ends with $status, not 2"
}
load=$tools/mitosis-load
wrong 'one image only' "$load" "$dir/work" "$dir/work"
wrong 'which image' "$load"
for option in pid-file exe cwd serve at fd; do
	wrong "$option=" "$load" "--$option=" "$dir/work"
done
for program in mitosisd mitosisctl; do
	for option in socket sec munge-socket psk-file; do
		refused "$option has an empty value" "$tools/$program" "--$option" ''
	done
done
refused 'socket= is empty' "$fs" unix:/pid/1 "$mnt" -o socket=
refused 'say sec=munge' "$tools/mitosisd" --munge-socket /m
refused 'say sec=munge' "${ctl[@]}" --munge-socket /m ls
refused 'say sec=psk' "${ctl[@]}" --psk-user me ls
refused 'local: has none' "$fs" "local:/pid/$sleeper" "$mnt" -o sec=munge

# A pid file that cannot be written when the child runs: it is not loaded, then.
mkdir small
mount -t tmpfs -o size=4k none small
head -c 4096 /dev/zero >small/full
"$fs" "local:/pid/$sleeper" "$mnt"
status=0
timeout 60 "$load" --pid=new --pid-file=small/pid "$mnt/image" </dev/null \
	>said.txt 2>why.txt || status=$?
umount "$mnt"
[ $status = 69 ] && [ "$(wc -l <why.txt)" = 1 ] &&
	grep -q 'pid-file.*No space' why.txt ||
	fail "a pid file on a full disk: $status, $(cat why.txt)"
[ "$(ls small)" = full ] || fail "what was begun of a pid file stays"
umount small

diff <(echo "$before") <(portrait "$sleeper") || fail "a process changed"
touch work/go
expect_ok sleeper "$sleeper"
stop_daemon
expect_nothing_left
exit $bad
