#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_udp.sh - a server and a client of UDP: the child's are its own, on the same
# port elsewhere, never beside the parent's here, and have the parent's options
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs python3 nsenter unshare ip ss setpriv

server=$(shuf -n 1 -i 20000-29999) # a port that nobody is given by chance

# Answers by another socket, whose port the kernel has chosen.
start parent /usr/bin/python3 -uc "
import socket, struct
def set_options(sock, options):
    for level, name, value in options:
        sock.setsockopt(level, name, value)
def get_options(sock, options):
    return [sock.getsockopt(level, name, 16) for level, name, _ in options]
SOL, IP, TCP = socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_TCP
timeout = SOL, socket.SO_RCVTIMEO, struct.pack('ll', 0, 200000)
of_server = [timeout, (SOL, socket.SO_BROADCAST, 1), (IP, 8, 1), # IP_PKTINFO
             (SOL, socket.SO_RCVBUF, 50000), (IP, socket.IP_TTL, 9)]
of_stream = [(SOL, socket.SO_KEEPALIVE, 1), (TCP, socket.TCP_KEEPIDLE, 77),
             (TCP, socket.TCP_NODELAY, 1), (TCP, socket.TCP_DEFER_ACCEPT, 20)]
of_pair = [timeout, (SOL, socket.SO_PASSCRED, 1)]
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
set_options(server, of_server)
server.setsockopt(SOL, socket.SO_MARK, 7)
stream = socket.socket()
set_options(stream, of_stream)
stream.bind(('127.0.0.1', $server + 4))
stream.listen(3)
pair = socket.socketpair()
set_options(pair[0], of_pair)
ticks = 0
def asked(word):
    if word == b'ticks':
        return ticks
    if word == b'mark':
        return server.getsockopt(SOL, socket.SO_MARK)
    if word == b'options':
        return [get_options(server, of_server), get_options(stream, of_stream),
                get_options(pair[0], of_pair)]
    if word == b'pair':
        try:
            return pair[0].recv(1)
        except BlockingIOError:
            return 'nothing came'
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
    try:
        word, who = server.recvfrom(100)
    except BlockingIOError:
        ticks += 1
        continue
    answer = asked(word)
    if answer is not None:
        client.sendto(repr(answer).encode(), who)
        continue
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
answer, who = one.recvfrom(1000)
print(answer.decode(), who[1])
"
}

read -r count word port < <(ask "$server" first)
[ "$count $word" = "1 first" ] || fail "the parent does not answer"
mount_image "local:/pid/$parent"

options=$(ask "$server" options)
[ "$(ask "$server" mark)" = "7 $port" ] || fail "the parent has no mark"

# Elsewhere both have the ports that they had, and the options that need no right.
start elsewhere unshare -n sh -c 'ip link set lo up && exec "$@"' sh \
	setpriv --bounding-set -net_admin,-net_raw \
	"$tools/mitosis-load" --pid-file "$dir/elsewhere.pid" "$mnt/image"
loader=$pid
wait_for 20 test -s elsewhere.pid -o ! -e "/proc/$loader"
for i in 2 3; do
	got=$(ask "$server" child nsenter -n -t "$(cat elsewhere.pid)")
	[ "$got" = "$i child $port" ] || fail "the child says '$got'"
done
group=$(nsenter -n -t "$(cat elsewhere.pid)" ss -Hlun "sport = $((server + 2))" | wc -l)
[ "$group" = 2 ] || fail "the child has $group of the two sockets on one port"
in_child() {
	ask "$server" "$1" nsenter -n -t "$(cat elsewhere.pid)"
}
got=$(in_child options)
[ "$got" = "$options" ] || fail "the child has '$got', the parent '$options'"
got=$(in_child pair)
[ "$got" = "'nothing came' $port" ] || fail "the pair has '$got'"
ticks=$(in_child ticks)
has_ticked() {
	sleep 1 # a question that comes before its time is up begins it anew
	[ "$(in_child ticks)" != "$ticks" ]
}
wait_for 20 has_ticked
got=$(in_child mark)
[ "$got" = "0 $port" ] || fail "without the right to it, the mark is '$got'"
wait_for 10 grep -q 'descriptor .* goes without SO_MARK' elsewhere.out
kill -KILL "$loader"

# Here the parent keeps what is its.
status=0
timeout 20 "$tools/mitosis-load" "$mnt/image" >/dev/null 2>why.txt || status=$?
[ $status != 0 ] || fail "a child has taken the parent's port"
grep -q -- "--port $server=OTHER" why.txt || fail "it does not say what to do"
other=$((server + 1))
start here "$tools/mitosis-load" --port "$server=$other" \
	--port "$((server + 2))=$((server + 3))" \
	--port "$((server + 4))=$((server + 5))" \
	--pid-file "$dir/here.pid" "$mnt/image"
loader=$pid
wait_for 20 test -s here.pid -o ! -e "/proc/$loader"
read -r count word its < <(ask $other child)
[ "$count $word" = "2 child" ] || fail "the child says '$count $word'"
[ "$its" != "$port" ] || fail "child and parent have one port"
got=$(ask $other mark)
[ "$got" = "7 $its" ] || fail "the child's mark is '$got'"
! grep 'goes without' here.out || fail "that is not true"
got=$(ask "$server" parent)
[ "$got" = "2 parent $port" ] || fail "the parent says '$got'"
kill -KILL "$loader"
wait_for 20 test ! -e "/proc/$(cat here.pid)"
wait_for 10 umount -q "$mnt" # its loader was killed, and has not waited for that
kill -KILL "$parent"
expect_nothing_left
