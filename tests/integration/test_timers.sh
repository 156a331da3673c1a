#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_timers.sh - POSIX timers signal whom they did, also when all have new numbers: the
# process, a thread of it, its first; or nobody, when the thread has ended
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

cat >parent.py <<'END_PY'
import ctypes, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
class Event(ctypes.Structure):
    _fields_ = [('value', ctypes.c_void_p), ('signo', ctypes.c_int),
                ('notify', ctypes.c_int), ('tid', ctypes.c_int),
                ('rest', ctypes.c_byte * 64)]
ALL, OTHER, FIRST, DEAD = range(signal.SIGRTMIN + 4, signal.SIGRTMIN + 8)
signal.pthread_sigmask(signal.SIG_BLOCK, [ALL, OTHER, FIRST, DEAD])
def timer(signo, tid=0, clock=1):
    event = Event(signo=signo, notify=4 if tid else 0, tid=tid)
    made, every = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 10**7, 0, 10**7)
    assert not libc.timer_create(clock, ctypes.byref(event), ctypes.byref(made))
    assert not libc.timer_settime(made, 0, every, None)
    return made
def left(made):
    now = (ctypes.c_long * 4)()
    assert not libc.timer_gettime(made, now)
    return now[3]
ticks, begun = threading.Semaphore(0), threading.Event()
def other():
    timer(OTHER, threading.get_native_id())
    begun.set()
    while True:
        signal.sigwait([OTHER])
        ticks.release()
dead = []
thread = threading.Thread(
    target=lambda: dead.append(timer(DEAD, threading.get_native_id())))
thread.start()
thread.join()
threading.Thread(target=other, daemon=True).start()
begun.wait()
first = timer(FIRST, threading.get_native_id())
timer(ALL)
if sys.argv[1] == 'clock':
    clock = ctypes.c_int()
    libc.pthread_getcpuclockid(ctypes.c_void_p(threading.get_ident()),
                               ctypes.byref(clock))
    timer(ALL, 0, clock)
print('ready', flush=True)
sys.stdin.readline()
while ticks.acquire(blocking=False):
    pass
for i in range(3):
    assert signal.sigtimedwait([ALL], 60) and signal.sigtimedwait([FIRST], 60)
    assert ticks.acquire(timeout=60)
    assert left(first) and left(dead[0])
assert not signal.sigtimedwait([DEAD], 0.05)
print('ok', flush=True)
END_PY
mkfifo never
exec 7<>never
parent() {
	start "$1" sh -c 'exec /usr/bin/python3 parent.py "$1" <never 7>&-' sh "$1"
	parent=$pid
	wait_ready "$1" "$parent"
	mount_image "local:/pid/$parent"
}

# child COMMAND...
child() {
	local status=0
	echo | timeout 60 "$@" >out.txt 2>&1 || status=$?
	[ "$status $(cat out.txt)" = "0 ok" ] ||
		fail "with $*: $status, $(cat out.txt)"
}

load=$tools/mitosis-load
parent timers
for way in --memory=shared --memory=own --pid=new; do
	child "$load" $way "$mnt/image"
done
start_server local-shared --pid=new
child "$load" --at="$dir/serve.sock"
stop_server
umount "$mnt"
echo >&7
expect_ok timers "$parent"

# A clock of CPU time has a number in it.
parent clock
child "$load" "$mnt/image"
refused "runs on the CPU time of the process or thread $parent" \
	"$load" --pid=new "$mnt/image"
