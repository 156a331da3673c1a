#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_serve.sh WAY - many children of one resident loader, each whole
LIMIT=230
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load
need_programs setpriv mount

cat >parent.py <<'END'
import os, subprocess, sys, time
import numpy
array = numpy.arange(1 << 18)
words = os.open("words", os.O_RDONLY)
os.read(words, 8)
os.write(1, b"ready\n")
line = b""
while not line.endswith(b"\n"):
    line += os.read(0, 1) or sys.exit(9)
for command, *rest in [text.split() for text in line.decode().split(";")]:
    if command == "sum":
        array[::512] += 1
        print("sum", int(array.sum()), os.getpid(), os.getppid())
    elif command == "next":
        print("next", os.read(words, 8).decode().strip(),
              os.lseek(words, 0, os.SEEK_CUR))
    elif command == "run":
        print("run", subprocess.run(rest).returncode)
    elif command == "leave":
        subprocess.Popen(rest, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL)
    elif command == "wait":
        os.read(0, 1)
    elif command == "exit":
        sys.stdout.flush()
        os._exit(int(rest[0]))
    sys.stdout.flush()
END

seq -w 1000000 >words
mkfifo parent.in
start parent sh -c 'exec /usr/bin/python3 parent.py <parent.in'
parent=$pid
exec 9>parent.in
wait_ready parent "$parent"
take_image "$way" "$parent"
start_server "$way" --max=64 --pid-file="$dir/server.pid"
[ "$(cat server.pid)" = "$server" ] || fail "another pid in the server's file"
[ "$(stat -c %a serve.sock)" = 600 ] || fail "others may use the socket"

at=("$tools/mitosis-load" --at="$dir/serve.sock")
at() {
	"${at[@]}" "$@"
}

# say COMMANDS [OPTIONS]: a child's answer
say() {
	local commands=$1
	shift
	echo "$commands" | at "$@"
}

# ---- one child ----

right="sum $(((1 << 18) * ((1 << 18) - 1) / 2 + 512)) $parent 1"
[ "$(say 'sum;exit 0')" = "$right" ] || fail "not '$right': $(say sum)"
status=0
say 'exit 7' || status=$?
[ $status = 7 ] || fail "a child's 7 became $status"
status=0
at -f 0=/dev/null || status=$?
[ $status = 9 ] || fail "--fd of a client: $status, not 9"
refused 'no such image is served here: elsewhere' at elsewhere
refused '--memory is no option of --at' at --memory=own
refused 'No such file or directory' at --cwd=/nonexistent
refused '0 of 64 children are there already' at -n 65

# ---- many, one after the other, and at once ----

for i in $(seq 200); do
	at <<<'sum;exit 0'
done >two_hundred.out
[ "$(sort two_hundred.out | uniq -c | sed 's/^ *//')" = "200 $right" ] ||
	fail "one of 200 is another"
[ "$(pgrep -P "$server" | wc -l)" -le 4 ] ||
	fail "a server of one child at a time has many processes"

mkfifo go
exec 7<>go
for i in $(seq 64); do
	"${at[@]}" --pid-file="$dir/many.$i.pid" >many.$i.out 7>&- < <(
		exec 6<go 7>&-
		echo 'sum;next;next;wait'
		exec cat <&6
	) &
	clients+=($!)
done
for i in $(seq 64); do
	wait_for 90 test -s many.$i.pid
done
all_answered() {
	[ "$(cat many.*.out | wc -l)" = 192 ]
}
wait_for 90 all_answered
refused '64 of 64 children are there already' at </dev/null
[ "$(cat many.*.pid | sort -u | wc -l)" = 64 ] || fail "a pid is there twice"
exec 7>&-
for client in "${clients[@]}"; do
	expect_exit "$client" 0 "one of 64"
done
clients=()
for i in $(seq 64); do
	printf '%s\n' "$right" "next 0000002 16" "next 0000003 24" |
		diff - many.$i.out || fail "child $i of 64 is another"
done

[ "$(say 'sum;exit 0' -n 1)" = "$right" ] || fail "after 64: another"

# ---- a world is used again only as it was ----

mkdir here
say "run mount -t tmpfs none $dir/here;run mountpoint -q $dir/here;exit 0" |
	tail -n 1 | grep -qx 'run 0' || fail "a child may not mount"
for i in 1 2 3; do
	[ "$(say "run mountpoint -q $dir/here;exit 0")" != 'run 0' ] ||
		fail "a child sees what an earlier one mounted"
done

say "leave sleep 4321;exit 0"
left() {
	local pid
	for pid in $(ours); do
		! grep -qzx 4321 "/proc/$pid/cmdline" || echo "$pid"
	done 2>/dev/null
}
none_left() {
	[ -z "$(left)" ]
}
wait_for 10 none_left
echo "leave sleep 4321;exit 0" | at --detach
some_left() {
	[ -n "$(left)" ]
}
wait_for 10 some_left
sleep 0.2
some_left || fail "what a detached child left is gone"
kill "$(left)"
wait_for 10 none_left

# ---- death, of each in turn ----

# hold NAME [OPTIONS]: a child that waits; $client, and its pid in NAME.pid
hold() {
	local name=$1
	shift
	"${at[@]}" "$@" --pid-file="$dir/$name.pid" >"$name.out" 2>"$name.err" \
		< <(echo 'sum;wait' && exec sleep 1000) &
	client=$!
	wait_for 20 test -s "$name.pid"
}

hold orphan
kill -9 "$client"
wait "$client" 2>/dev/null || true
wait_for 10 gone "$(cat orphan.pid)"

hold killed
kill -9 "$(cat killed.pid)"
expect_exit "$client" 137 "the client of a killed child"

hold without_init
kill -9 "$(awk '/^PPid/ { print $2 }' "/proc/$(cat without_init.pid)/status")"
expect_exit "$client" 137 "the client of a killed init"

hold group -n 8
hold detached --detach -n 2
for i in $(seq 20); do
	at </dev/null >/dev/null 2>&1 &
	clients+=($!)
done
random_pause 40
kill -9 "$server"
wait "$server" 2>/dev/null || true
expect_exit "$client" 0 "the client that detached"
for child in $(cat group.pid detached.pid); do
	wait_for 10 gone "$child"
done
wait_for 10 grep -q 'the loader that serves has ended' group.err
for client in "${clients[@]}"; do
	wait "$client" || true
done

# Another one takes its place, and ends all at SIGTERM.
refused 'start one with' at </dev/null
start_server "$way"

# ---- clients that do not go on ----

# stuck.py PART: half a head, a head without its body, or nothing, and then wait
# for the server to hang up.
cat >stuck.py <<'END'
import os, socket, struct, sys
name = sys.argv[1]
head = struct.pack("=IIiII", 0x324B5341, 1, 0, 0, 100)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect("serve.sock")
if name == "half":
    sock.send(head[:7])
if name == "head":
    sock.send(head)
os.close(os.open(f"stuck.{name}", os.O_CREAT | os.O_WRONLY))
try:
    sock.recv(1)
except ConnectionResetError:
    pass
os.close(os.open(f"stuck.{name}.end", os.O_CREAT | os.O_WRONLY))
END

# A child comes while others have not finished asking, and still may; each try has
# ten seconds for that.
served_beside_the_stuck() {
	local name
	rm -f stuck.{none,head,half}{,.end}
	for name in none head half; do
		/usr/bin/python3 stuck.py $name &
		clients+=($!)
	done
	for name in none head half; do
		wait_for 20 test -e stuck.$name
	done
	[ "$(say 'sum;exit 0')" = "$right" ] || fail "beside stuck clients: another"
	[ ! -e stuck.none.end ] && [ ! -e stuck.head.end ]
}
clients=()
for i in 1 2 3 4; do
	! served_beside_the_stuck || break
	[ $i != 4 ] || fail "a stuck client is not beside the others, but before them"
done
for name in none head half; do
	wait_for 60 test -e stuck.$name.end
done
for client in "${clients[@]}"; do
	expect_exit "$client" 0 "a stuck client"
done

# An init that says that its world is empty, and is killed in the same turn of the
# server's loop, for its client is gone.  Two requests for many children make that
# turn long: one before the kill, one after it.
stop_server
start_server "$way" --max=64
cat >many.py <<'END'
import os, socket, struct, sys, time
def tell(name):
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
null = os.open("/dev/null", os.O_RDWR)
body = struct.pack("=IBBBHHHII", 24, 0, 0, 0, 0, 0, 0, 0, 0)
head = struct.pack("=IIiII", 0x324B5341, 1, 0, 0, len(body))
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect("serve.sock")
socket.send_fds(sock, [head], [null] * 3)
tell(sys.argv[1])
while not os.path.exists("now"):
    time.sleep(0.02)
sock.send(body)
tell(sys.argv[1] + ".said")
while sock.recv(1000):
    pass
END
race() {
	rm -f racing.in racing.pid before* after* now
	mkfifo racing.in
	/usr/bin/python3 many.py before &
	clients=($!)
	wait_for 60 test -e before
	"${at[@]}" --pid-file="$dir/racing.pid" <racing.in >racing.out &
	client=$!
	exec 6>racing.in
	echo 'wait;exit 0' >&6
	wait_for 20 test -s racing.pid
	/usr/bin/python3 many.py after 6>&- &
	clients+=($!)
	wait_for 60 test -e after
	sleep 0.2 # until its head is heard
	kill -STOP "$server"
	touch now
	wait_for 60 test -e before.said
	wait_for 60 test -e after.said
	kill -9 "$client"
	wait "$client" 2>/dev/null || true
	kill -WINCH "$server"
	kill -CONT "$server"
	random_pause 60
	exec 6>&-
	sleep 0.3
	for client in "${clients[@]}"; do
		kill "$client"
		wait "$client" 2>/dev/null || true
	done
}
for i in 1 2 3 4; do
	race
	said=$(echo 'sum;exit 0' | timeout 20 "${at[@]}" 2>&1) || true
	[ "$said" = "$right" ] ||
		fail "a world was used again that had died: $said"
done

hold last
refused 'in use: another server listens there' "$tools/mitosis-load" \
	--serve="$dir/serve.sock" "$mnt/image"
echo mine >plain.txt
refused 'a file that is no socket' "$tools/mitosis-load" --serve="$dir/plain.txt" "$mnt/image"
grep -qx mine plain.txt || fail "a file that was there is gone"
stop_server
expect_exit "$client" 137 "the client of a server that was ended"
wait_for 10 gone "$(cat last.pid)"

# ---- children with new pids: no init, and a watchdog in its stead ----

start_server "$way" --pid=new --max=2
for i in 1 2 3 4 5 6; do
	say 'sum;exit 0' | grep -q "^${right% * *} " || fail "with a new pid: another"
done
cat >left.py <<'END'
import mmap, os, time
while not os.path.exists("go_on"):
    time.sleep(0.02)
pages = mmap.mmap(-1, 1 << 16, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
pages.madvise(mmap.MADV_DONTNEED)
os.close(os.open("left.done", os.O_CREAT | os.O_WRONLY))
END
say "leave /usr/bin/python3 $dir/left.py;exit 0"
say 'exit 0'
touch go_on # what a child left is answered when that has long ended
wait_for 60 test -e left.done
say "leave sleep 4321;exit 0"
stop_server
kill "$(left)"

# What more children leave running than there may be children or clients: each is
# made, or refused in true words, and none of it keeps a client's place.
start_server "$way" --pid=new --max=20
for i in $(seq 45); do
	say "leave sleep 4321;exit 0" 2>left.err || break
done
said=$(grep ^mitosis-load left.err || true)
if [ "${way#*-}" = shared ]; then
	grep -q 'earlier children have left processes running' <<<"$said" ||
		fail "after $i that left something: $said"
else
	[ -z "$said" ] || fail "child $i: $said"
fi
for pid in $(left); do
	kill "$pid"
done
served_again() {
	say 'exit 0' 2>again.err
}
wait_for 20 served_again
stop_server

# Who comes when as many have come as there is room for waits until one goes.
cat >idle.py <<'END'
import os, socket
idle = []
for i in range(20):
    idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    idle[-1].connect("serve.sock")
os.close(os.open("idle", os.O_CREAT | os.O_WRONLY))
os.read(0, 1)
END
start_server "$way" --max=1
mkfifo idle.in
/usr/bin/python3 idle.py <idle.in &
client=$!
exec 6>idle.in
wait_for 20 test -e idle
[ "$(say 'sum;exit 0' 6>&-)" = "$right" ] || fail "beside twenty idle ones: another"
exec 6>&-
expect_exit "$client" 0 "twenty idle clients"
stop_server

# ---- the worlds of one child at a time stay ----

# A mount that comes in from outside ends one, so that is tried again.
worlds_stay() {
	local before
	say 'exit 0'
	before=$(pgrep -P "$server" | sort)
	say 'exit 0'
	say 'exit 0'
	[ "$before" = "$(pgrep -P "$server" | sort)" ]
}
start_server "$way" --max=1
wait_for 20 worlds_stay
stop_server

start_server "$way" --pid=new --max=2
hold direct
hold direct_too
refused '2 of 2 children are there already' at </dev/null
kill -9 "$server"
wait "$server" 2>/dev/null || true
wait_for 10 gone "$(cat direct.pid)"
wait_for 10 gone "$(cat direct_too.pid)"
server=

echo 'exit 0' >&9
exec 9>&-
expect_exit "$parent" 0 "the parent"
for pid in $(ours); do
	[ "$(cat "/proc/$pid/comm")" != sleep ] || kill "$pid"
done
drop_image "$way"
expect_nothing_left
