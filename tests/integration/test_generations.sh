#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_generations.sh - the child of a child of a child
#
# Each generation drops memory and must find zeros, though to the kernel it was
# a map of the former generation's image.  The youngest ends first: an image of a
# child lives in the child's pid namespace, and ends with it.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

mkdir work
start parent "$zoo/zoo_drop" "$dir/work"
parent=$pid
wait_ready parent "$parent"

# The second comes from an image in the warm tier, where that can be had.
words=("" "" "$warm_words" "")
here_pid=$parent
for generation in 1 2 3; do
	mnt=$dir/mnt$generation
	take_image local-shared "$here_pid" "${words[generation]}"
	start "child$generation" "$tools/mitosis-load" \
		--pid-file "$dir/$generation.pid" "$mnt/image"
	loaders[generation]=$pid
	wait_for 20 test -s "$dir/$generation.pid" -o ! -e "/proc/$pid"
	here_pid=$(cat "$generation.pid")
	random_pause 100
done

kill -STOP "$(cat 1.pid)" "$(cat 2.pid)"
touch work/go
expect_ok parent "$parent"
for generation in 3 2 1; do
	kill -CONT "$(cat $generation.pid)" 2>/dev/null || true # not stopped: 3
	expect_ok "child$generation" "${loaders[generation]}"
	umount "$dir/mnt$generation"
done
expect_nothing_left
