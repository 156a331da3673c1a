#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_epoll.sh - what one worker of a pool has been told of a connection, no other
# is told in the child: EPOLLONESHOT stays disarmed, also when the connection is dead
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

# Each word of its input is a question; the answers are of the set alone.
cat >parent.py <<'END_PY'
import os, select, socket, sys
ONCE = select.EPOLLIN | select.EPOLLONESHOT
ear = socket.create_server(('127.0.0.1', 0))
os.fork() or (ear.accept(), sys.stdin.buffer.raw.read(1 << 20), os._exit(0))
peer = socket.create_connection(ear.getsockname())
ear.close()
here, there = socket.socketpair()
there.send(b'x')
reads, writes = os.pipe()
os.write(writes, b'x')
watch = select.epoll()
names = {}
def add(name, fd, events):
    names[fd] = name
    watch.register(fd, events)
def told():
    return sorted({names[fd] for _ in '123' for fd, _ in watch.poll(0)})
# Told once, and not armed again: by somebody else, and from inside.
add('peer', peer.fileno(), select.EPOLLOUT | select.EPOLLONESHOT)
add('here', here.fileno(), ONCE)
assert told() == ['here', 'peer'] and told() == []
# Armed, and told in the child for the first time.
add('armed', there.fileno(), select.EPOLLOUT | select.EPOLLONESHOT)
add('pipe', reads, select.EPOLLIN)
print('ready', flush=True)
sys.stdin.readline()
print(told(), told(), flush=True)
there.close()
print(told(), flush=True)
watch.modify(here, ONCE)
watch.modify(peer, ONCE)
os.read(reads, 1)
print(told(), told(), flush=True)
END_PY
mkfifo never
exec 7<>never
start parent sh -c 'exec /usr/bin/python3 parent.py <never 7>&-'
parent=$pid
wait_ready parent "$parent"
mount_image "local:/pid/$parent"

cat >want.txt <<'END'
['armed', 'pipe'] ['pipe']
['pipe']
['here', 'peer'] []
END
for way in --memory=shared --memory=own --pid=new; do
	status=0
	echo | timeout 60 "$tools/mitosis-load" $way "$mnt/image" >out.txt 2>&1 ||
		status=$?
	[ $status = 0 ] || fail "with $way: $status, $(cat out.txt)"
	cmp want.txt out.txt || fail "with $way: $(cat out.txt)"
done
