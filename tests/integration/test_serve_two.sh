#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_serve_two.sh WAY - two images at one resident loader: no child has anything
# of the other image, though both have the same addresses
LIMIT=120
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load
need_programs setarch mount

cat >parent.py <<'END'
import os, subprocess, sys
import numpy
name = sys.argv[1]
array = numpy.full(1 << 18, ord(name))
words = os.open(name + ".words", os.O_RDONLY)
os.read(words, 8)
os.write(1, b"ready\n")
line = b""
while not line.endswith(b"\n"):
    line += os.read(0, 1) or sys.exit(9)
for command, *rest in [text.split() for text in line.decode().split(";")]:
    if command == "tell":
        array[::512] += 1
        print(name, int(array.sum()), os.getpid(),
              os.read(words, 8).decode().strip())
    elif command == "run":
        print("run", subprocess.run(rest).returncode)
    elif command == "wait":
        os.read(0, 1)
    elif command == "exit":
        sys.stdout.flush()
        os._exit(int(rest[0]))
    sys.stdout.flush()
END

declare -A parent image right
mnt_of_a=$mnt
for name in a b; do
	seq -f "$name%06.0f" 1000 >$name.words
	mkfifo $name.in
	start $name setarch -R sh -c \
		"exec /usr/bin/python3 parent.py $name <$name.in"
	parent[$name]=$pid
done
exec 8>a.in 9>b.in
for name in a b; do
	wait_ready $name "${parent[$name]}"
	[ $name = a ] || mnt=$dir/other
	mount_image "local:/pid/${parent[$name]}"
	image[$name]=$mnt/image
	right[$name]="$name $((((1 << 18)) * $(printf %d "'$name") + 512))"
	right[$name]+=" ${parent[$name]} ${name}000002"
done
common=$(comm -12 <(awk '/rw/ { print $1 }' "/proc/${parent[a]}/maps" | sort) \
	<(awk '/rw/ { print $1 }' "/proc/${parent[b]}/maps" | sort) | wc -l)
[ "$common" -gt 10 ] || fail "the two have only $common areas in common"
mnt=$mnt_of_a
start_server "$way" --max=40 "${image[b]}"

at=("$tools/mitosis-load" --at="$dir/serve.sock")
at() {
	"${at[@]}" "$@"
}
# say NAME COMMANDS: what a child of that image answers
say() {
	echo "$2" | at "${image[$1]}"
}

refused 'say which of the images' at </dev/null
refused 'no such image is served here' at "$dir/third"

# One after the other, and each after each.
for name in a b a a b b a b; do
	said=$(say $name 'tell;exit 0')
	[ "$said" = "${right[$name]}" ] || fail "not '${right[$name]}': $said"
done
status=0
say b 'exit 7' || status=$?
[ $status = 7 ] || fail "a child's 7 became $status"

# At once, twenty of each.
mkfifo go
exec 7<>go
clients=()
for i in $(seq 20); do
	for name in a b; do
		at --pid-file="$dir/$name.$i.pid" "${image[$name]}" \
			>$name.$i.out 7>&- < <(
			exec 6<go 7>&-
			echo 'tell;wait'
			exec cat <&6
		) &
		clients+=($!)
	done
done
all_answered() {
	[ "$(cat [ab].*.out | wc -l)" = 40 ]
}
wait_for 90 all_answered
refused '40 of 40 children are there already' at "${image[a]}" </dev/null
exec 7>&-
for client in "${clients[@]}"; do
	expect_exit "$client" 0 "one of forty"
done
for name in a b; do
	[ "$(sort -u $name.*.out)" = "${right[$name]}" ] ||
		fail "one of twenty of $name is another"
done

# What a child mounts is in no world of the other image, nor again in its own.
mkdir here
say a "run mount -t tmpfs none $dir/here;run mountpoint -q $dir/here;exit 0" |
	tail -n 1 | grep -x 'run 0' >mounted.out || fail "a child may not mount"
for name in b a b; do
	[ "$(say $name "run mountpoint -q $dir/here;exit 0")" != 'run 0' ] ||
		fail "a child of $name sees what one of a mounted"
done

# The end of one is nothing to one of the other image.
mkfifo stays.in
"${at[@]}" --pid-file="$dir/stays.pid" "${image[b]}" <stays.in >stays.out &
stays=$!
exec 6>stays.in
echo 'wait;tell;exit 0' >&6
"${at[@]}" --pid-file="$dir/goes.pid" "${image[a]}" >goes.out 6>&- \
	< <(echo 'wait;exit 0' && exec sleep 1000 6>&-) &
goes=$!
wait_for 20 test -s stays.pid
wait_for 20 test -s goes.pid
kill -9 "$goes"
wait "$goes" 2>/dev/null || true
wait_for 10 gone "$(cat goes.pid)"
exec 6>&-
expect_exit "$stays" 0 "who stayed"
[ "$(cat stays.out)" = "${right[b]}" ] || fail "who stayed is another"
for pid in $(ours); do
	[ "$(cat "/proc/$pid/comm")" != sleep ] || kill "$pid"
done

stop_server
echo 'tell;exit 0' >&8
echo 'tell;exit 0' >&9
for name in a b; do
	expect_exit "${parent[$name]}" 0 "the parent $name"
	wait "${reader_of[$name]}" || true
	[ "$(tail -n 1 $name.out)" = "${right[$name]}" ] ||
		fail "the parent $name is not as it was: $(tail -n 1 $name.out)"
	umount "${image[$name]%/image}"
done
expect_nothing_left
