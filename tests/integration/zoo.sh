#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# zoo.sh WAY ANIMAL - image a self-checking program at a random moment
#
# WAY is TRANSPORT-MEMORY (local-shared, tcp-own, ...), or "alone" to run the
# program without an image, or "notices" to run it alone under the library $LIE,
# which must make it fail.  ANIMAL is a program of tests/zoo, or alloc-jemalloc
# and alloc-jemalloc-eager for the allocator test with another allocator.
#
# The parent and its child both have to end with "ok", and nothing may be left.
. "$(dirname "$0")/lib.sh"

way=$1 animal=$2
program=$zoo/zoo_${animal%%-*}
work=$dir/work
mkdir "$work"

# The command that runs the animal: sets the array $command.
choose_command() {
	local jemalloc
	command=(env)
	if [ "${animal#*-jemalloc}" != "$animal" ]; then
		jemalloc=$(ldconfig -p | awk '/libjemalloc.so.2/ { print $NF; exit }')
		[ -n "$jemalloc" ] || skip "libjemalloc2 is not installed"
		command+=("LD_PRELOAD=${LIE:+$LIE }$jemalloc")
	elif [ -n "${LIE-}" ]; then
		command+=("LD_PRELOAD=$LIE")
	fi
	[ "${animal%-eager}" = "$animal" ] || command+=(
		"MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0")
	command+=("$program" "$work")
}

expect_ok() {
	expect_exit "$2" 0 "the $1"
	[ "$(tail -n 1 "$dir/$1.out")" = ok ] || fail "the $1 did not say ok"
}

start_parent() {
	start parent "${command[@]}"
	parent=$pid
	wait_ready parent "$parent"
	random_pause 300
}

take_image() {
	local before
	before=$(portrait "$parent")
	if [ "${way%-*}" = tcp ]; then
		start_daemon
		mount_image "127.0.0.1:/pid/$parent" "port=$port"
	else
		mount_image "local:/pid/$parent"
	fi
	diff <(echo "$before") <(portrait "$parent") ||
		fail "the image changed its parent"
}

start_child() {
	start child "$tools/mitosis-load" --memory="${way#*-}" \
		--pid-file "$dir/child.pid" "$mnt/image"
	child=$pid
	wait_for 20 test -s "$dir/child.pid" -o ! -e "/proc/$child"
}

choose_command
case $way in
alone)
	start_parent
	touch "$work/go"
	expect_ok parent "$parent"
	expect_nothing_left
	exit
	;;
notices)
	touch "$work/go"
	start parent "${command[@]}"
	expect_exit "$pid" 1 "the animal that was lied to"
	grep -q '^fail: ' parent.out || fail "it did not say why it failed"
	exit
	;;
esac

need_tools mitosisfs mitosis-load
[ "${way%-*}" = local ] || need_tools mitosisd
start_parent
take_image
start_child
random_pause 200
touch "$work/go"
expect_ok parent "$parent"
expect_ok child "$child"
unmount_image
[ "${way%-*}" = local ] || stop_daemon
expect_nothing_left
