#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# zoo.sh WAY ANIMAL - image a self-checking program at a random moment
#
# WAY is TRANSPORT-MEMORY (local-shared, tcp-own, served-shared, ...), or "alone" to run the
# program without an image, or "notices" to run it alone under the library $LIE,
# which must make it fail, or "imaged" for many images and no child.  ANIMAL is a
# program of tests/zoo, or alloc-jemalloc and alloc-jemalloc-eager for the
# allocator test with another allocator, or python for busy.py.
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
		# All of it is read: a pipe closed early would end us here.
		jemalloc=$(ldconfig -p | awk '
			/libjemalloc.so.2/ && !path { path = $NF }
			END { print path }')
		[ -n "$jemalloc" ] || skip "libjemalloc2 is not installed"
		command+=("LD_PRELOAD=${LIE:+$LIE }$jemalloc")
	elif [ -n "${LIE-}" ]; then
		command+=("LD_PRELOAD=$LIE")
	fi
	if [ "$animal" = python ]; then
		command+=(/usr/bin/python3 "$here/../zoo/busy.py" "$work")
		return
	fi
	[ "${animal%-eager}" = "$animal" ] || command+=(
		"MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0")
	command+=("$program" "$work")
}

start_parent() {
	start parent "${command[@]}"
	parent=$pid
	wait_ready parent "$parent"
	random_pause 300
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
imaged)
	start_parent
	before=$(portrait "$parent")
	"$zoo/snapper" "$parent" 20 >snapper.out || fail "an image was refused"
	diff <(echo "$before") <(portrait "$parent") ||
		fail "the images changed their parent"
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
[ "${way%-*}" != tcp ] || need_tools mitosisd
start_parent
before=$(portrait "$parent")
take_image "$way" "$parent"
diff <(echo "$before") <(portrait "$parent") ||
	fail "the image changed its parent"
load_child "$way" child
random_pause 200
touch "$work/go"
expect_ok parent "$parent"
expect_ok child "$loader"
drop_image "$way"
expect_nothing_left
