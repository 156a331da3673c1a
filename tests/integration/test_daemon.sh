#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_daemon.sh - mitosisd and mitosisctl: many clients, many images, the right
# bytes; who may and who may not; nothing is left when it ends
LIMIT=150
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl
need_programs setpriv
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip "no python3-numpy"
export PYTHONDONTWRITEBYTECODE=1

mib=12
socket=$dir/run/control.sock

# A user who owns nothing here.
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# boot NAME [OPTIONS]: mitosisd on a free port; sets $daemon and $port.
boot() {
	local name=$1
	shift
	"$tools/mitosisd" --socket "$socket" --listen 127.0.0.1:0 \
		--ready-fd 3 "$@" 3>"$dir/$name.ready" >"$dir/$name.out" 2>&1 &
	daemon=$!
	wait_for 20 test -s "$dir/$name.ready" -o ! -e "/proc/$daemon"
	port=$(sed -nE 's/^ready .* tcp:127\.0\.0\.1:([0-9]+)$/\1/p' \
		"$dir/$name.ready")
	[ -n "$port" ] || fail "mitosisd did not say where it listens"
}

# field EXPRESSION: of the JSON on stdin, which Python calls d.
field() {
	/usr/bin/python3 -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

twins() {
	ctl status --json | field 'd["images"]'
}

# The three parents, and no twin of them.
only_parents() {
	local pid nr=0
	for pid in $(ours); do
		grep -q patterned "/proc/$pid/cmdline" && nr=$((nr + 1))
	done 2>/dev/null
	[ $nr = 3 ]
}

# Parents: two of root's and one of nobody's.
declare -A pids addrs
for seed in 11 22; do
	start "parent$seed" /usr/bin/python3 "$here/patterned.py" $seed $mib
	pids[$seed]=$pid
done
start parent33 "${as_nobody[@]}" /usr/bin/python3 "$here/patterned.py" 33 1
pids[33]=$pid
for seed in 11 22 33; do
	wait_ready "parent$seed" "${pids[$seed]}"
	addrs[$seed]=$(sed -n 's/^area //p' "$dir/parent$seed.out")
done

boot one

# Two images, whose parents then overwrite their memory all the time.
ctl prepare --name a "${pids[11]}" | grep -q '^a: paused .* ms'
key=$(ctl prepare --json --name b "${pids[22]}" | field 'd["key"]')
[[ $key =~ ^[0-9a-f]{32}$ ]] || fail "that is no key: $key"
kill -USR1 "${pids[11]}" "${pids[22]}"
for seed in 11 22; do
	wait_for 20 has_line "parent$seed.out" overwriting
done

# Eight clients of both images at once, by both ways; beside them clients that
# hang up in mid-frame, talk nonsense, or do not take their replies.
/usr/bin/python3 - "$socket" "$port" "$here" "${addrs[11]}" <<'END' &
import os, socket, sys
sys.path.insert(0, sys.argv[3])
import mtfs
bad = mtfs.Client(int(sys.argv[2]))
handle, _ = bad.open(b"a")
for _ in range(200):
    bad.ask_read(handle, int(sys.argv[4]), 1 << 20)
for junk in [b"GET / HTTP/1.1\r\n\r\n", b"MTFS", os.urandom(4096)]:
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    sock.sendall(junk)
    sock.close()
bad.sock.settimeout(None)
sys.stdin.close()
import signal
signal.pause()
END
stalled=$!
readers=()
for n in 1 2 3 4 5 6 7 8; do
	where=$socket
	[ $((n % 2)) = 1 ] || where=$port
	/usr/bin/python3 "$here/read_images.py" "$where" $n $mib \
		"a:${addrs[11]}:11" "b:${addrs[22]}:22" \
		>"$dir/reader$n.out" 2>&1 &
	readers+=($!)
done
for reader in "${readers[@]}"; do
	expect_exit "$reader" 0 "a reader"
done

# Buffers go back: what was sent, and that for a turn without a reply.
data_kib=$(awk '$1 == "VmData:" { print $2 }' "/proc/$daemon/status")
[ -n "${ASAN_OPTIONS-}" ] || [ "$data_kib" -lt $((256 << 10)) ] ||
	fail "mitosisd has grown to $data_kib KiB"
kill "$stalled"
[ "$(ctl list --json | field 'sum(i["opens"] for i in d["images"])')" -ge 17 ] ||
	fail "the list does not count opens"

# Who may, and who may not.
refused "pid ${pids[11]}" "${as_nobody[@]}" "$tools/mitosisctl" --socket "$socket" \
	prepare "${pids[11]}"
refused "only its owner, root, or who has its key" \
	"${as_nobody[@]}" "$tools/mitosisctl" --socket "$socket" release a
[ "$("${as_nobody[@]}" "$tools/mitosisctl" --socket "$socket" list --json |
	field 'len(d["images"])')" = 0 ] || fail "nobody sees root's images"
"${as_nobody[@]}" "$tools/mitosisctl" --socket "$socket" prepare --name mine \
	"${pids[33]}" | grep -q '^mine: '
"${as_nobody[@]}" "$tools/mitosisctl" --host 127.0.0.1 --port "$port" \
	renew mine || fail "the owner is not known over TCP"
ctl release mine
refused "no image is called mine" ctl release mine
refused "the name a is taken" ctl prepare --name a "${pids[11]}"
refused "prepare pid 4194303" ctl prepare 4194303

# A released image is gone for its readers; the other is not.
/usr/bin/python3 - "$socket" "$here" "${addrs[11]}" "${addrs[22]}" <<'END'
import errno, sys
sys.path.insert(0, sys.argv[2])
import mtfs
client = mtfs.Client(sys.argv[1])
one, _ = client.open(b"a")
two, _ = client.open(b"b")
client.read(one, int(sys.argv[3]), 4096)
client.release(b"a")
try:
    client.read(one, int(sys.argv[3]), 4096)
    sys.exit("read an image that was released")
except mtfs.Refused as refused:
    assert refused.errno == errno.ESTALE, refused
client.read(two, int(sys.argv[4]), 4096)
END
[ "$(twins)" = 1 ] || fail "$(twins) images instead of 1"

# A lease ends by itself, and takes the twin with it.
ctl prepare --lease 1s --name short "${pids[11]}" >/dev/null
sleep 1.1
[ "$(twins)" = 1 ] || fail "the lease did not end the image"

# A second daemon is refused, on the socket and on the port.
refused "a mitosisd is listening there" \
	"$tools/mitosisd" --socket "$socket" --listen none
refused "the port is taken" \
	"$tools/mitosisd" --socket none --listen "127.0.0.1:$port"
refused "without --sec=munge or psk only loopback and the unix socket are served" \
	"$tools/mitosisd" --socket none --listen 0.0.0.0

# SIGTERM: all images gone, status 0, no socket, no process.
kill -TERM "$daemon"
expect_exit "$daemon" 0 mitosisd
[ ! -e "$socket" ] || fail "the socket is left over"
only_parents || {
	show_ours
	fail "twins outlive the daemon"
}

# SIGKILL: the twins die too, and the next daemon takes the socket over.
boot two
ctl prepare --name c "${pids[22]}" >/dev/null
kill -KILL "$daemon"
expect_exit "$daemon" 137 mitosisd
wait_for 10 only_parents
[ -e "$socket" ] || fail "a killed daemon cannot have removed its socket"
boot three
ctl status >/dev/null
kill -INT "$daemon"
expect_exit "$daemon" 0 mitosisd

# In the background: the exit code tells, and the pid file names it.
"$tools/mitosisd" --daemon --socket "$socket" --listen none \
	--pid-file "$dir/pid"
[ "$(ctl status --json | field 'd["pid"]')" = "$(cat "$dir/pid")" ] ||
	fail "the pid file names somebody else"
refused "a mitosisd is listening there" "$tools/mitosisd" --daemon \
	--socket "$socket" --listen none --pid-file "$dir/pid"
[ "$(ctl status --json | field 'd["pid"]')" = "$(cat "$dir/pid")" ] ||
	fail "a daemon that could not start has taken the pid file away"
kill -TERM "$(cat "$dir/pid")"
wait_for 10 test ! -e "$dir/pid"
wait_for 10 test ! -e "$socket"

# It goes to the root: paths of this directory are this directory's all the same.
"$tools/mitosisd" --daemon --socket "${socket#"$dir/"}" --listen none --pid-file pid
ctl status >/dev/null
kill -TERM "$(cat "$dir/pid")"
wait_for 10 test ! -e "$dir/pid"
wait_for 10 test ! -e "$socket"

# A user's own daemon images the user's own processes.
install -d -o 65534 -g 65534 "$dir/user"
XDG_RUNTIME_DIR=$dir/user "${as_nobody[@]}" "$tools/mitosisd" \
	--ready-fd 3 3>"$dir/user.ready" >"$dir/user.out" 2>&1 &
daemon=$!
wait_for 20 test -s "$dir/user.ready" -o ! -e "/proc/$daemon"
XDG_RUNTIME_DIR=$dir/user "${as_nobody[@]}" "$tools/mitosisctl" prepare "${pids[33]}" |
	grep -q "^img-${pids[33]}-1: "
refused "pid ${pids[11]}" env XDG_RUNTIME_DIR="$dir/user" \
	"${as_nobody[@]}" "$tools/mitosisctl" prepare "${pids[11]}"
kill -TERM "$daemon"
expect_exit "$daemon" 0 "the user's mitosisd"

for seed in 11 22 33; do
	gone "${pids[$seed]}" && fail "parent$seed died"
	kill "${pids[$seed]}"
done
expect_nothing_left
echo ok
