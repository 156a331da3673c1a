#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_serve_images.sh - images that differ at one resident loader: of another
# host, with a high descriptor, with one that only the client can give
LIMIT=120
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs prlimit strace

cat >parent.py <<'END'
import os, resource, sys, time
kind = sys.argv[1]
if kind == "high":
    os.dup2(os.open("/dev/null", os.O_RDONLY), 9000)
if kind == "chosen":
    first = os.pidfd_open(os.getpid())
    os.dup2(first, 77)
    os.close(first)
os.write(1, b"ready\n")
line = b""
while not line.endswith(b"\n"):
    line += os.read(0, 1) or sys.exit(9)
for command in line.decode().split():
    if command == "clocks":
        print(int(time.monotonic()), int(time.clock_gettime(
            time.CLOCK_BOOTTIME)))
    elif command == "limit":
        print(*resource.getrlimit(resource.RLIMIT_NOFILE))
    elif command == "chosen":
        print(os.read(77, 100).decode().strip())
    sys.stdout.flush()
os._exit(0)
END

# begin NAME: a parent of that kind, and a copy of its image in the folder NAME
begin() {
	local parent
	mkfifo "$1.in"
	start "$1" sh -c "ulimit -Sn 10000; exec /usr/bin/python3 parent.py $1 <$1.in"
	parent=$pid
	exec 9>"$1.in"
	wait_ready "$1" "$parent"
	mount_image "local:/pid/$parent"
	cp -a "$mnt/image" "$1"
	umount "$mnt"
	echo >&9
	exec 9>&-
	expect_exit "$parent" 0 "the parent $1"
}

# say COMMANDS NAME [OPTIONS]: what a child of that image says, in the file said
say() {
	local commands=$1 name=$2
	shift 2
	echo "$commands" | timeout 20 "$tools/mitosis-load" \
		--at="$dir/serve.sock" "$@" "$dir/$name" >said 2>&1 ||
		fail "no child of $name: $(cat said)"
}

# serve OPTIONS IMAGE...: start_server for images in folders
serve() {
	start "serve-$((++servers))" "${serving_in[@]}" "$tools/mitosis-load" \
		--serve="$dir/serve.sock" "$@"
	server=$pid
	wait_ready "serve-$servers" "$server"
}

# ---- the clocks of another host are its own children's alone ----

begin plain
cp -a plain foreign
/usr/bin/python3 - foreign/descriptor <<'END'
import struct, sys
AT, LATER_NS = 20, 10**15  # of captured_realtime_ns; the other two follow
with open("/proc/sys/kernel/random/boot_id", "rb") as file:
    boot = file.read().strip()
with open(sys.argv[1], "rb") as file:
    data = bytearray(file.read())
where = data.index(boot)
data[where:where + 4] = b"zzzz"
realtime, monotonic, boottime = struct.unpack_from("<QQQ", data, AT)
struct.pack_into("<QQQ", data, AT, realtime, monotonic + LATER_NS,
                 boottime + LATER_NS)
with open(sys.argv[1], "wb") as file:
    file.write(data)
END

# clocks_are LEAST NAME: a child of that image reads LEAST seconds, or somewhat more
clocks_are() {
	local monotonic boottime
	say clocks "$2"
	read -r monotonic boottime <said
	[ "$monotonic" -ge "$1" ] && [ "$monotonic" -lt $(($1 + 500000)) ] &&
		[ "$boottime" -ge "$1" ] ||
		fail "a child of $2 reads $monotonic and $boottime, not $1"
}

now=$(/usr/bin/python3 -c 'import time; print(int(time.monotonic()))')
for option in --pid=new --max=1; do
	serve $option "$dir/plain" "$dir/foreign"
	for name in plain foreign plain foreign foreign plain plain; do
		least=$now
		[ $name = plain ] || least=$((now + 1000000))
		clocks_are $least $name
	done
	stop_server
done

# ---- the limit of descriptors that one image needs is its own children's alone ----

begin high
hard=$(ulimit -Hn)
for option in --pid=new --memory=shared; do
	serving_in=(sh -c 'ulimit -Sn 8192; exec "$@"' limited)
	serve --max=1 $option "$dir/plain" "$dir/high"
	for name in plain high plain; do
		say limit $name
		soft=8192
		[ $name = plain ] || soft=9001
		[ "$(cat said)" = "$soft $hard" ] ||
			fail "a child of $name has the limits $(cat said)"
	done
	stop_server
done

serving_in=()

# Each fork of a child with memory of its own takes one of the loader's.
mkfifo own.in
start own sh -c 'ulimit -Sn 8192; exec "$@" <own.in' sh "$tools/mitosis-load" \
	--memory=own --pid-file="$dir/own.pid" "$dir/plain"
loader=$pid
exec 9>own.in
wait_for 20 test -s own.pid
limits=$(awk '/^Max open files/ { print $4, $5 }' "/proc/$loader/limits")
echo limit >&9
exec 9>&-
expect_exit "$loader" 0 "the child with memory of its own"
wait "${reader_of[own]}" || true
has_line own.out "8192 $hard" || fail "its limits: $(cat own.out)"
[ "$limits" = "$hard $hard" ] || fail "the limits of the loader: $limits"

# ---- what only a client can give, it may give ----

begin chosen
echo 'what was chosen' >chosen.txt
serve --max=1 "$dir/plain" "$dir/chosen"
for i in 1 2; do
	refused 'give another with --fd 77=PATH' "$tools/mitosis-load" \
		--at="$dir/serve.sock" "$dir/chosen"
	say chosen chosen --fd "77=$dir/chosen.txt"
	[ "$(cat said)" = 'what was chosen' ] || fail "not chosen: $(cat said)"
	say 'clocks' plain
done
stop_server

# ---- of two that start at once at one socket, one serves ----

# Leaks cannot be looked for in who is traced.
traced=(env "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" strace -D)
start slow "${traced[@]}" -qq -o "$dir/slow.txt" -e trace=listen \
	-e inject=listen:delay_enter=1000000 "$tools/mitosis-load" \
	--serve="$dir/serve.sock" "$dir/plain"
server=$pid
wait_for 20 test -S serve.sock
status=0
timeout 10 "$tools/mitosis-load" --serve="$dir/serve.sock" \
	"$dir/plain" >second.txt 2>&1 || status=$?
[ $status != 124 ] || fail "two serve at one socket"
grep -q 'in use: another server listens there' second.txt ||
	fail "$status, and not in use: $(cat second.txt)"
wait_ready slow "$server"
say clocks plain
stop_server

# Without descriptors it does not spin, and who came is served later.
serving_in=("${traced[@]}" -qq -o "$dir/accepts.txt" -e trace=accept4)
serve --max=1 "$dir/plain"
serving_in=()
prlimit --pid "$server" --nofile=3:
say clocks plain &
client=$!
wait_for 20 grep -q EMFILE accepts.txt
sleep 0.5
prlimit --pid "$server" --nofile="$hard:"
expect_exit "$client" 0 "who came without descriptors"
[ "$(grep -c EMFILE accepts.txt)" -lt 100 ] ||
	fail "tried $(grep -c EMFILE accepts.txt) times in half a second"
stop_server

expect_nothing_left
