#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_dead_pipes.sh - of a pipe that somebody else writes to, the child has what the
# parent had not read yet, as it was written, and then its end
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

cat >parent.py <<'END_PY'
import fcntl, os, sys
F_SETPIPE_SZ = 1031
large, to_large = os.pipe()
fcntl.fcntl(to_large, F_SETPIPE_SZ, 1 << 18)
os.write(to_large, b'x' * 200000)
some, to_some = os.pipe2(os.O_DIRECT)
for i in range(3):
    os.write(to_some, b'%d' % i * 7)
one, to_one = os.pipe2(os.O_DIRECT)
os.write(to_one, b'single')
os.fork() or (sys.stdin.buffer.raw.read(1 << 20), os._exit(0))
for fd in to_large, to_some, to_one:
    os.close(fd)
print('ready', flush=True)
sys.stdin.readline()
print(len(os.read(large, 1 << 20)), os.read(large, 9),
      os.read(some, 99), os.read(some, 2), os.read(some, 99), os.read(some, 9),
      os.read(one, 3), os.read(one, 9), flush=True)
END_PY
mkfifo never
exec 7<>never
start parent sh -c 'exec /usr/bin/python3 parent.py <never 7>&-'
parent=$pid
wait_ready parent "$parent"
mount_image "local:/pid/$parent"

want="200000 b'' b'0000000' b'11' b'2222222' b'' b'sin' b''"
for way in --memory=shared --memory=own --pid=new; do
	status=0
	echo | timeout 60 "$tools/mitosis-load" $way "$mnt/image" >out.txt 2>&1 ||
		status=$?
	[ "$status $(cat out.txt)" = "0 $want" ] ||
		fail "with $way: $status, $(cat out.txt)"
done
