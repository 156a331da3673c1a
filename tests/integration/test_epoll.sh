#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_epoll.sh - what one worker of a pool has been told of a connection, no other
# is told in the child: EPOLLONESHOT stays disarmed, also when the connection is dead;
# and a set goes on telling of a file whose number was closed, by the other's number
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
# Closed, and open by another number; of the second another file has the number now.
stale = [os.pipe() for _ in '12']
for name, ends in zip(('closed', 'taken'), stale):
    add(name, ends[0], select.EPOLLIN)
copies = [os.dup(ends[0]) for ends in stale]
# Three times closed, by numbers that all are other files by now.
thrice = os.pipe()
lost = [os.dup(thrice[0]) for _ in '123']
for i, fd in enumerate(lost):
    add('lost %d' % i, fd, select.EPOLLIN)
    os.dup2(writes, fd)
os.close(stale[0][0])
os.dup2(writes, stale[1][0])
print('ready', flush=True)
sys.stdin.readline()
print(told(), told(), flush=True)
there.close()
print(told(), flush=True)
watch.modify(here, ONCE)
watch.modify(peer, ONCE)
os.read(reads, 1)
print(told(), told(), flush=True)
for copy, ends in zip(copies, stale):
    os.write(ends[1], b'x')
    watch.register(copy, select.EPOLLIN)
    names[copy] = 'copy'
print(told(), flush=True)
os.close(copies[0])
try:
    os.fstat(stale[0][0])
except OSError:
    print(told(), flush=True)
os.read(copies[1], 1)
os.write(thrice[1], b'x')
print(told(), flush=True)
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
['closed', 'copy', 'taken']
['copy', 'taken']
['lost 0', 'lost 1', 'lost 2']
END
for way in --memory=shared --memory=own --pid=new; do
	status=0
	echo | timeout 60 "$tools/mitosis-load" $way "$mnt/image" >out.txt 2>&1 ||
		status=$?
	[ $status = 0 ] || fail "with $way: $status, $(cat out.txt)"
	cmp want.txt out.txt || fail "with $way: $(cat out.txt)"
done
