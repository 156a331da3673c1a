#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_udp.sh - a server and a client of UDP: the child's are its own, on the same
# port elsewhere, never beside the parent's here
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs python3 nsenter unshare ip ss

server=$(shuf -n 1 -i 20000-29999) # a port that nobody is given by chance

# Answers by another socket, whose port the kernel has chosen.
start parent /usr/bin/python3 -uc "
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('127.0.0.1', $server))
# Two of a group on the port above, as DNS servers have one for each CPU.
group = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in '12']
for one in group:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(('127.0.0.1', $server + 2))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b'', ('127.0.0.1', 9))
print('ready')
count = 0
while True:
    word, who = server.recvfrom(100)
    count += 1
    client.sendto(b'%d %s' % (count, word), who)
"
parent=$pid
wait_ready parent "$parent"

# ask PORT WORD [COMMAND...]: what is answered, and the port that it came from.
ask() {
	local port=$1 word=$2
	shift 2
	"$@" /usr/bin/python3 -c "
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(10)
one.sendto(b'$word', ('127.0.0.1', $port))
answer, who = one.recvfrom(100)
print(answer.decode(), who[1])
"
}

read -r count word port < <(ask "$server" first)
[ "$count $word" = "1 first" ] || fail "the parent does not answer"
mount_image "local:/pid/$parent"

# Elsewhere both have the ports that they had.
start elsewhere unshare -n sh -c 'ip link set lo up && exec "$@"' sh \
	"$tools/mitosis-load" --pid-file "$dir/elsewhere.pid" "$mnt/image"
loader=$pid
wait_for 20 test -s elsewhere.pid -o ! -e "/proc/$loader"
for i in 2 3; do
	got=$(ask "$server" child nsenter -n -t "$(cat elsewhere.pid)")
	[ "$got" = "$i child $port" ] || fail "the child says '$got'"
done
group=$(nsenter -n -t "$(cat elsewhere.pid)" ss -Hlun "sport = $((server + 2))" | wc -l)
[ "$group" = 2 ] || fail "the child has $group of the two sockets on one port"
kill -KILL "$loader"

# Here the parent keeps what is its.
status=0
timeout 20 "$tools/mitosis-load" "$mnt/image" >/dev/null 2>why.txt || status=$?
[ $status != 0 ] || fail "a child has taken the parent's port"
grep -q -- "--port $server=OTHER" why.txt || fail "it does not say what to do"
other=$((server + 1))
start here "$tools/mitosis-load" --port "$server=$other" \
	--port "$((server + 2))=$((server + 3))" \
	--pid-file "$dir/here.pid" "$mnt/image"
loader=$pid
wait_for 20 test -s here.pid -o ! -e "/proc/$loader"
read -r count word its < <(ask $other child)
[ "$count $word" = "2 child" ] || fail "the child says '$count $word'"
[ "$its" != "$port" ] || fail "child and parent have one port"
got=$(ask "$server" parent)
[ "$got" = "2 parent $port" ] || fail "the parent says '$got'"
kill -KILL "$loader"
wait_for 20 test ! -e "/proc/$(cat here.pid)"
wait_for 10 umount -q "$mnt" # its loader was killed, and has not waited for that
kill -KILL "$parent"
expect_nothing_left
