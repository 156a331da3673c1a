#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_who_may.sh - the table of docs/security.md, every cell of it: each kind of
# client tries each request at a real daemon, and a refusal brings no byte of an
# image
LIMIT=230
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs
need_programs munged munge psktool openssl fusermount3
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip "no python3-numpy"
for kind in munge psk; do
	"$tools/mitosisd" --sec $kind --version >/dev/null 2>&1 ||
		skip "built without sec=$kind"
done
export PYTHONDONTWRITEBYTECODE=1
. "$here/hosts.sh"
hosts_up
munge_on a 1
munge_on b 1

socket=$dir/run/control.sock
owner=65534 # who has the process and the images: nobody
other=1     # daemon
owner_name=$(id -un $owner)
other_name=$(id -un $other)
zeros=00000000000000000000000000000000

# The daemon has keys of three users; a stranger has others, and one more.
keys "$dir/keys" 0 "$owner_name" "$other_name" root nosuchuser
keys "$dir/strange" 0 "$owner_name" carol

key_in() {
	sed -n "s/^$2://p" "$1"
}

start parent setpriv --reuid $owner --regid $owner --clear-groups \
	/usr/bin/python3 "$here/patterned.py" 7 2
parent=$pid
wait_ready parent "$parent"
addr=$(sed -n 's/^area //p' "$dir/parent.out")

# boot NAME OPTIONS...: mitosisd on host A; sets $daemon, $port and $inside.
boot() {
	local name=$1
	shift
	"${on_a[@]}" "$tools/mitosisd" --socket "$socket" --listen $server:0 \
		--listen 127.0.0.1:0 --ready-fd 3 "$@" 3>"$dir/$name.ready" \
		>"$dir/$name.out" 2>&1 &
	daemon=$!
	wait_for 20 test -s "$dir/$name.ready" -o ! -e "/proc/$daemon"
	port=$(grep -oP "tcp:$server:\\K\\d+" "$dir/$name.ready")
	inside=$(grep -oP 'tcp:127\.0\.0\.1:\K\d+' "$dir/$name.ready")
}

stop() {
	kill -TERM "$daemon"
	expect_exit "$daemon" 0 mitosisd
}

# An image of the owner's; its key.
image() {
	as $owner "$tools/mitosisctl" --socket "$socket" prepare --json \
		--name "$1" "$parent" | key_of
}

# try USER HOST WAY: the nine words, of a client as USER on host A or B.
rows=0
try() {
	local user=$1 on=() key doomed
	[ "$2" = A ] && on=("${on_a[@]}") || on=("${on_b[@]}")
	key=$(image "image$rows") || fail "no image: $key"
	doomed=$(image "doomed$rows") || fail "no image: $doomed"
	"${on[@]}" setpriv --reuid "$user" --regid "$user" --clear-groups \
		/usr/bin/python3 "$here/who_may.py" "$3" "$parent" "$addr" 7 \
		"image$rows" "$key" "doomed$rows" "$doomed" \
		2>>"$dir/who_may.err" || fail "as $user by $3: it breaks"
	"$tools/mitosisctl" --socket "$socket" release "image$rows"
	"$tools/mitosisctl" --socket "$socket" release "doomed$rows" \
		2>/dev/null || true
}

# expect WHO WORDS USER HOST WAY
expect() {
	local words
	rows=$((rows + 1))
	words=$(try "$3" "$4" "$5") || fail "$words"
	echo "$1: $words"
	[ "$words" = "$2" ] || fail "$1 may '$words', not '$2'"
}

#       status  list  renew  with the key:
#       prepare  open  release  open renew release
all='yes yes yes yes yes yes yes yes yes'
key='yes no no no no no yes yes yes'
none='no no no no no no no no no'

# Inside the daemon's host the kernel knows, whatever --sec is.
boot munge --sec munge --munge-socket "$dir/munge-a/socket"
expect owner "$all" $owner A "unix:$socket"
expect root "$all" 0 A "unix:$socket"
expect other "$key" $other A "unix:$socket"
expect owner-tcp "$all" $owner A "tcp:127.0.0.1:$inside"
expect root-tcp "$all" 0 A "tcp:127.0.0.1:$inside"
expect other-tcp "$key" $other A "tcp:127.0.0.1:$inside"

# Nothing before HELLO, no handle of another, no key of an earlier image.
as $owner /usr/bin/python3 "$here/rules.py" "$socket" "$parent" "$addr" 7 ||
	fail "a rule is broken"

# The files of a mount are its owner's alone; with allow_other the modes say so.
closed() {
	local user=$1 file
	for file in image/mem image/image.json image/maps image/environ status \
		"files$(readlink -f /proc/"$parent"/exe)"; do
		grep -qF "$dir/mnt/$file" "$dir/mnt.list" ||
			fail "there is no $file"
		if as "$user" cat "$dir/mnt/$file" >"$dir/leak" 2>/dev/null ||
			[ -s "$dir/leak" ]; then
			fail "user $user reads $file"
		fi
	done
}
mkdir "$dir/mnt"
chown $owner "$dir/mnt"
mounted() {
	note_connection "$("$@" mountpoint -d "$dir/mnt")"
	# What is in files/ has the modes of the parent's host, in a closed folder.
	if grep -v '^.r-[-x]------ ' "$dir/mnt.list" |
		grep -vF " $dir/mnt/files/"; then
		fail "these files are for others, too"
	fi
}
as $owner "$tools/mitosisfs" "unix:/pid/$parent" "$dir/mnt" -o "socket=$socket"
as $owner find "$dir/mnt" ! -type l -printf '%M %p\n' >"$dir/mnt.list"
mounted as $owner
closed $other
closed 0
as $owner fusermount3 -u "$dir/mnt"
"$tools/mitosisfs" "unix:/pid/$parent" "$dir/mnt" -o "socket=$socket,allow_other"
find "$dir/mnt" ! -type l -printf '%M %p\n' >"$dir/mnt.list"
mounted
closed $owner
closed $other
umount "$dir/mnt"

munge_way=munge:$server:$port:$dir/munge-b/socket
expect remote-owner "$all" $owner B "$munge_way"
expect remote-other "$key" $other B "$munge_way"
expect remote-root "$key" 0 B "$munge_way"
expect unsaid "$none" $owner B "tcp:$server:$port"
expect unsaid-root "$none" 0 B "tcp:$server:$port"
a_key=$(key_in "$dir/keys" "$owner_name")
expect psk-to-munge "$none" $owner B "psk:$server:$port:$owner_name:$a_key"
stop

boot psk --sec psk --psk-file "$dir/keys"
expect owner "$all" $owner A "unix:$socket"
expect other "$key" $other A "unix:$socket"
expect root-tcp "$all" 0 A "tcp:127.0.0.1:$inside"

# psk USER: a client that shows the key of this user of the daemon's host; who
# runs it there does not matter.
psk() {
	echo "psk:$server:$port:$1:$(key_in "$dir/keys" "$1")"
}
expect key-owner "$all" $other B "$(psk "$owner_name")"
expect key-other "$key" $owner B "$(psk "$other_name")"
expect key-root "$key" 0 B "$(psk root)"
expect key-inside "$all" $other A \
	"psk:127.0.0.1:$inside:$owner_name:$(key_in "$dir/keys" "$owner_name")"
expect key-of-no-user "$none" 0 B "$(psk nosuchuser)"
expect wrong-key "$none" 0 B \
	"psk:$server:$port:$owner_name:$(key_in "$dir/strange" "$owner_name")"
expect unknown-name "$none" 0 B \
	"psk:$server:$port:carol:$(key_in "$dir/strange" carol)"
expect unsaid "$none" $owner B "tcp:$server:$port"
expect unsaid-root "$none" 0 B "tcp:$server:$port"
expect munge-to-psk "$none" $owner B "munge:$server:$port:$dir/munge-b/socket"
stop

# Where the daemon's owner wants it, remote root is root.
boot root-munge --sec munge --munge-socket "$dir/munge-a/socket" \
	--no-root-squash
expect remote-root-unsquashed "$all" 0 B \
	"munge:$server:$port:$dir/munge-b/socket"
stop
boot root-psk --sec psk --psk-file "$dir/keys" --no-root-squash
expect key-root-unsquashed "$all" $owner B "$(psk root)"
stop

for pid in "$parent" $(jobs -p); do
	kill "$pid" 2>/dev/null || true
done
expect_nothing_left
echo ok
