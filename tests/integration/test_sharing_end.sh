#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_sharing_end.sh - a server that is told to end does so, whatever waits for
# it
. "$(dirname "$0")/sharing.sh"

new_image img 1

# A mount that lies under another one of the same server goes, too.
at img a
at img a
is_of a mounts 2 || fail "one mount on the other is not shared"
end_servers
! mountpoint -q a || fail "SIGTERM leaves the lower one of two mounts"

# Pages that come while readers wait for them, and nobody answers those any
# more: the link stops behind BYTES, until it may flow
# again; SIGHUP: from here.
cat >dam.py <<'END'
import os, signal, socket, sys, threading, time
port, most, flow = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
left = most
def refill(*_):
    global left
    left = most
signal.signal(signal.SIGHUP, refill)
def carry(source, to, is_answer):
    global left
    try:
        while chunk := source.recv(1 << 15):
            while is_answer and left <= 0 and not os.path.exists(flow):
                time.sleep(0.01)
            left -= is_answer * len(chunk)
            to.sendall(chunk)
    except OSError:
        pass
    to.close()
ear = socket.create_server(("127.0.0.1", 0))
print(ear.getsockname()[1], "ready", sep="\n", flush=True)
while True:
    near, far = ear.accept()[0], socket.create_connection(("127.0.0.1", port))
    for ends in ((near, far, 0), (far, near, 1)):
        threading.Thread(target=carry, args=ends, daemon=True).start()
END
cat >wait.py <<'END'
import mmap, os, sys, time
base = int(sys.argv[2], 16) & ~4095
fd = os.open(sys.argv[1] + "/image/.space", os.O_RDONLY)
area = mmap.mmap(fd, 8 << 20, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=base)
area.madvise(mmap.MADV_RANDOM)
for page in range(0, 2048, 16):
    if not os.fork():
        area[page * 4096]
        os._exit(0)
print("ready", flush=True)
END
flow=$dir/work/flow
start dam /usr/bin/python3 dam.py "$port" 4000000 "$flow"
dam=$pid
wait_ready dam "$dam"
read -r port <dam.out
for sharing in sharecache nosharecache; do
	kill -HUP "$dam"
	rm -f "$flow"
	at img a "mode=eager,warm=off,threads=1,timeo=600,$sharing"
	start "readers-$sharing" /usr/bin/python3 wait.py a "${base_of[img]}"
	wait_ready "readers-$sharing" "$pid"
	sleep 1
	kill -TERM "$(servers)"
	sleep 0.5
	touch "$flow"
	wait_for 20 nr_servers 0
	! mountpoint -q a || fail "$sharing: SIGTERM leaves a mount"
done

kill "$dam"
touch work/go work/end
stop_daemon
expect_nothing_left
