#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_copied_image.sh MEMORY - an image directory without a mount
#
# A copy of the image is a checkpoint: the parent and the mount are gone when it
# is loaded, twice, from an ordinary file system.
. "$(dirname "$0")/lib.sh"
memory=$1
need_tools mitosisfs mitosis-load

cat >parent.py <<'END'
import ctypes, os, random, sys, threading, time
import signal
data = {i: str(i) * 3 for i in range(50000)}
log = open(sys.argv[1] + "/log", "w")
log.write("written by the parent\n")
log.flush()
inside, outside = os.pipe()
os.write(outside, b"unread")
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
os.write(1, b"ready\n")
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
before = ticks
time.sleep(0.3)
assert ticks > before, "the interval timer stands"
assert all(data[i] == str(i) * 3 for i in data), "memory"
assert os.read(inside, 100) == b"unread", "the pipe"
assert log.tell() == 22, "the position"
log.write("and by a child\n")
log.flush()
worker = threading.Thread(target=lambda: data.clear())
worker.start()
worker.join()
assert not data
signal.setitimer(signal.ITIMER_REAL, 0)
os.write(1, b"ok\n")
sys.exit(4)
END

mkdir work
start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
take_image local "$parent"
cp -a "$mnt/image" copy
drop_image local
kill -9 "$parent"
wait "$parent" || true

touch work/go
for name in first second; do
	start "$name" "$tools/mitosis-load" --memory="$memory" "$dir/copy"
	expect_exit "$pid" 4 "the $name child"
	has_line "$name.out" ok || fail "the $name child did not say ok"
done
grep -qx 'and by a child' work/log || fail "the log was not written on"

# What cannot be had is refused in words, and --fd helps.
mv work/log elsewhere
"$tools/mitosis-load" "$dir/copy" 2>why.txt && fail "a missing file was opened"
grep -q 'work/log.*--fd' why.txt || fail "refused without help: $(cat why.txt)"
fd=$(sed -n 's/.*descriptor \([0-9]*\) .*/\1/p' why.txt)
start third "$tools/mitosis-load" --fd "$fd=$dir/elsewhere" "$dir/copy"
expect_exit "$pid" 4 "the child with another file"
expect_nothing_left
