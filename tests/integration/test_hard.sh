#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_hard.sh [OPTIONS] - a hard mount waits for its parent: however the link is lost,
# readers get right bytes when it is back, can be killed meanwhile, and end when
# the image or the mount is gone for good
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load mitosisd mitosisctl
more=${1:+,$1}

mkdir "$mnt" work
start parent "$zoo/zoo_lazy" "$dir/work"
parent=$pid
wait_ready parent "$parent"
start_daemon
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name kept >/dev/null
start relay /usr/bin/python3 "$here/relay.py" "$port"
relay=$pid
wait_ready relay "$relay"
read -r relay_port <relay.out
lines=2

# relay_to SIGNAL: cut or open the link; returns when it is done.
relay_to() {
	kill "-$1" "$relay"
	lines=$((lines + 1))
	wait_for 20 relay_said
}
relay_said() {
	[ "$(wc -l <relay.out)" -ge $lines ]
}

# A mount with nothing cached.  Eight threads answer the kernel.
mount_kept() {
	mount_image 127.0.0.1:/image/kept "port=$relay_port,proto=tcp,hard$1$more"
	server=$(pgrep -f "^$tools/mitosisfs.* $mnt " | head -1)
	area=$(ls -S "$mnt"/image/vma/* | head -1)
}

state_is() {
	grep -q "^state: $1" "$mnt/status"
}

# A reader of other pages than its kin: by read(2), which waits in the kernel's
# page cache; by a map without read-around, which waits for the answer; or past the
# page cache, by a call that python does not repeat when a signal has ended it.
cat >reader.py <<'END'
import ctypes, mmap, os, signal, sys
how, path, offset, into = sys.argv[1:]
offset, seen = int(offset), []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
with open(path, "rb") as file:
    if how == "map":
        area = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
        area.madvise(mmap.MADV_RANDOM)
    print("ready", flush=True)
    if how == "mem":
        page = ctypes.create_string_buffer(4096)
        pread = ctypes.CDLL(None, use_errno=True).pread
        if pread(file.fileno(), page, 4096, ctypes.c_long(offset)) != 4096:
            sys.exit(f"pread: {os.strerror(ctypes.get_errno())}")
    elif how == "map":
        page = area[offset:offset + 4096]
    else:
        page = os.pread(file.fileno(), 4096, offset)
with open(into, "wb") as out:
    out.write(page)
print(len(seen), flush=True)
END
declare -A pid_of
read_page() {
	start "$1" /usr/bin/python3 reader.py "$2" "$3" "$4" "$dir/$1.page"
	pid_of[$1]=$pid
	wait_ready "$1" "$pid"
}

# expect_page NAME OFFSET: the reader ended well, with the page of the image.
expect_page() {
	expect_exit "${pid_of[$1]}" 0 "reader $1"
	cmp "$1.page" <(tail -c +$(($2 + 1)) whole | head -c 4096) ||
		fail "reader $1 read wrong bytes"
}

# still_waits NAME...: none has ended or printed anything.
still_waits() {
	local name
	for name; do
		[ ! -e "$name.page" ] || fail "reader $name did not wait"
		kill -0 "${pid_of[$name]}" 2>/dev/null ||
			fail "reader $name ended: $(tail -1 "$name.out")"
	done
}

expect_killed() {
	kill "-$2" "${pid_of[$1]}"
	wait_for 20 gone "${pid_of[$1]}"
	wait "${pid_of[$1]}" && fail "reader $1 was not killed" || true
}

server_ended() {
	! kill -0 "$server" 2>/dev/null
}

mount_kept ''
cat "$area" >whole
umount "$mnt"
mib=$((1 << 20))

# 1. The link is cut: more readers than threads wait, and all else answers.
mount_kept ,timeo=10
names=()
relay_to USR1
for i in $(seq 20); do
	how=map
	[ $((i % 2)) = 0 ] || how=read
	read_page "r$i" $how "$area" $((i * mib))
	names+=("r$i")
done
start_raddr=$((16#$(basename "${area%-*}")))
for i in 21 22 23; do
	read_page "r$i" mem "$mnt/image/mem" $((start_raddr + i * mib))
	names+=("r$i")
done
wait_for 20 state_is waiting
still_waits "${names[@]}"
timeout 10 ls -lR "$mnt" >/dev/null || fail "ls does not answer"
timeout 10 df "$mnt" >/dev/null || fail "df does not answer"
timeout 10 cat "$mnt/image/maps" >/dev/null || fail "what is here does not answer"

# Who is killed ends, by whichever signal and way of reading; a signal that has
# a handler only interrupts, and does not keep a second one from killing.
for i in 3 4 5 6 21 22; do
	kill -USR1 "${pid_of[r$i]}"
done
expect_killed r1 KILL
expect_killed r2 KILL
expect_killed r7 TERM
expect_killed r8 TERM
expect_killed r5 KILL
expect_killed r6 KILL
expect_killed r22 KILL
expect_killed r23 TERM
still_waits r3 r4 r9 r10 r20 r21
state_is waiting || fail "no longer waiting"

relay_to USR2
for i in 3 4 $(seq 9 21); do
	expect_page "r$i" $((i * mib))
done
for i in 3 4 21; do
	[ "$(tail -1 "r$i.out")" = 1 ] || fail "the handler of r$i did not run"
done
wait_for 20 state_is ready
grep -q '^reconnects: [1-9]' "$mnt/status" || fail "no reconnect was counted"

# 2. A host that is silent, not gone.
kill -STOP "$relay"
read_page silent map "$area" $((30 * mib))
wait_for 60 state_is waiting
still_waits silent
kill -CONT "$relay"
expect_page silent $((30 * mib))

# 3. umount -f ends it all at once, and nothing of ours stays.
relay_to USR1
names=()
for i in $(seq 41 52); do
	how=map
	[ $((i % 2)) = 0 ] || how=read
	read_page "f$i" $how "$area" $((i * mib))
	names+=("f$i")
done
wait_for 20 state_is waiting
still_waits "${names[@]}"
timeout 10 umount -f -l "$mnt" || fail "umount -f: $?"
for name in "${names[@]}"; do
	wait_for 20 gone "${pid_of[$name]}"
	wait "${pid_of[$name]}" && fail "$name read something" || true
	[ ! -e "$name.page" ] || fail "$name read something"
done
wait_for 20 server_ended
relay_to USR2

# 4. The same while all threads still wait for a host that does not answer.
mount_kept ,timeo=6000
kill -STOP "$relay"
names=()
for i in $(seq 41 48); do
	read_page "g$i" map "$area" $((i * mib))
	names+=("g$i")
done
still_waits "${names[@]}"
timeout 10 umount -f -l "$mnt" || fail "umount -f: $?"
for name in "${names[@]}"; do
	wait_for 20 gone "${pid_of[$name]}"
	wait "${pid_of[$name]}" && fail "$name read something" || true
done
wait_for 20 server_ended
kill -CONT "$relay"

# 5. An image that is gone for good is no reason to wait: released, and by a
# daemon that never had it.
mount_kept ,timeo=10
"$tools/mitosisctl" --socket "$socket" release kept >/dev/null
status=0
timeout 60 cat "$area" >/dev/null 2>why.err || status=$?
[ $status = 1 ] || fail "a released image: cat ended with $status"
grep -q 'Input/output error' why.err || fail "$(cat why.err)"
umount "$mnt"

"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name kept >/dev/null
mount_kept ,timeo=10
relay_to USR1
read_page late map "$area" $((60 * mib))
wait_for 20 state_is waiting
still_waits late
"$tools/mitosisctl" --socket "$socket" release kept >/dev/null
relay_to USR2
wait_for 60 gone "${pid_of[late]}"
wait "${pid_of[late]}" && fail "a page of a released image was read" || true
wait_for 20 state_is gone
timeout 20 umount "$mnt" || fail "umount after the end"

# Why, the log has: one line, however many ask.
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name kept >/dev/null
"$tools/mitosisfs" -f 127.0.0.1:/image/kept "$mnt" 2>log.txt \
	-o "port=$relay_port,proto=tcp,hard,timeo=10$more" &
foreground=$!
wait_for 20 mountpoint -q "$mnt"
note_connection "$(mountpoint -d "$mnt")"
relay_to USR1
"$tools/mitosisctl" --socket "$socket" release kept >/dev/null
relay_to USR2
for i in 1 2; do
	! timeout 60 cat "$area" >/dev/null 2>&1 || fail "released, and read"
done
umount "$mnt"
expect_exit "$foreground" 0 "mitosisfs -f"
[ "$(grep -c 'no way back to the image: no image is called kept' log.txt)" = 1 ] ||
	fail "the log: $(cat log.txt)"

# 6. Children wait too, in both kinds of memory, and go on right.
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name kept >/dev/null
mount_kept ,timeo=10
load_child tcp-shared shared
shared=$loader
load_child tcp-own own
own=$loader
relay_to USR1
touch work/go
expect_ok parent "$parent"
wait_for 60 state_is waiting
sleep 1
kill -0 "$shared" "$own" || fail "a child did not wait"
relay_to USR2
expect_ok shared "$shared"
expect_ok own "$own"
umount "$mnt"

kill "$relay"
stop_daemon
expect_nothing_left
