#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_procfs.sh - what a parent has open of itself in /proc is the child's own of the
# child: nothing that is written there reaches the parent
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

cat >parent.py <<'END_PY'
import ctypes, os, sys
word = ctypes.create_string_buffer(b'parent')
mem, oom, comm = (open('/proc/' + name, 'r+b', 0) for name in
                  ('self/mem', 'self/oom_score_adj', 'thread-self/comm'))
net, uptime = open('/proc/net/dev'), open('/proc/uptime')
os.chdir('/proc/self/task')
print('ready', flush=True)
who = sys.stdin.readline().strip()
if who == 'child':
    mem.seek(ctypes.addressof(word))
    mem.write(b'child\0')
    oom.write(b'321')
    comm.write(b'a-child')
def own(name):
    with open('/proc/self/' + name) as file:
        return file.read().strip()
print(word.value.decode(), own('oom_score_adj'), own('comm'),
      os.listdir('.') == [os.readlink('/proc/self')],
      net.read().startswith('Inter-'), float(uptime.read().split()[0]) > 0,
      flush=True)
END_PY
cat >strange.py <<'END_PY'
import sys, threading
def thread(name=[]):
    name.append(open('/proc/thread-self/comm'))
    begun.set()
    sys.stdin.readline()
begun = threading.Event()
other = open('/proc/1/comm')
threading.Thread(target=thread, daemon=True).start()
begun.wait()
print('ready', flush=True)
sys.stdin.readline()
END_PY
mkfifo never
exec 7<>never

start parent sh -c 'exec /usr/bin/python3 parent.py <never 7>&-'
parent=$pid
wait_ready parent "$parent"
mount_image "local:/pid/$parent"
before=$(cat "/proc/$parent/oom_score_adj")

# child COMMAND...
child() {
	local want="child 321 a-child True True True" status=0
	echo child | timeout 60 "$@" >out.txt 2>&1 || status=$?
	[ "$status $(cat out.txt)" = "0 $want" ] ||
		fail "with $*: $status, not '$want' but $(cat out.txt)"
}
for memory in shared own; do
	for which in same new; do
		child "$tools/mitosis-load" --memory=$memory --pid=$which "$mnt/image"
	done
done
start_server local-shared --pid=new
child "$tools/mitosis-load" --at="$dir/serve.sock"
stop_server

echo parent >&7
expect_exit "$parent" 0 "the parent"
wait "${reader_of[parent]}" || true
has_line parent.out "parent $before python3 True True True" ||
	fail "the parent was changed: $(cat parent.out)"
umount "$mnt"

# Of others it has nothing.
start strange sh -c 'exec /usr/bin/python3 strange.py <never 7>&-'
strange=$pid
wait_ready strange "$strange"
mount_image "local:/pid/$strange"
for which in same new; do
	refused "(/proc/1/comm) belongs to another process: give another with --fd 3" \
		"$tools/mitosis-load" --pid=$which "$mnt/image"
	refused "belongs to a thread" "$tools/mitosis-load" --pid=$which \
		--fd 3=/dev/null "$mnt/image"
done
kill "$strange"
