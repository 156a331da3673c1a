#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_guard_death.sh WAY - kill one of the loader's processes: the child must end
#
# They answer for what the child's memory means; a child without them would run on
# wrong memory.
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load

work=$dir/work
mkdir "$work"
start parent "$zoo/zoo_drop" "$work"
parent=$pid
wait_ready parent "$parent"
take_image "$way" "$parent"

# load NAME: the child's pid in $child, that of its init in $init.
load() {
	load_child "$way" "$1"
	child=$(cat "$1.pid")
	init=$(awk '/^PPid/ { print $2 }' "/proc/$child/status")
	[ "$(cat "/proc/$init/comm")" = mitosis-init ] ||
		fail "the child's parent is $(cat "/proc/$init/comm")"
}

said_nothing() {
	! grep -q '^ok\|^fail' "$1.out" || fail "$1 went on"
}

load orphan
kill -9 "$loader"
wait_for 10 gone "$child"
wait_for 10 gone "$init"

load without_init
kill -9 "$init"
wait_for 10 gone "$child"
expect_exit "$loader" 137 "the loader of a killed init"

# Between the loader's death and its own the child's calls and faults wait.  A
# tracer keeps init where it is: the kernel lets a group go on that has lost its
# parent's session.
load unguarded
start tracer "$zoo/tracer" "$init"
tracer=$pid
wait_ready tracer "$tracer"
kill -STOP "$init"
wait_for 10 grep -q '^State:.*(tracing stop)' "/proc/$init/status"
kill -9 "$loader"
wait "$loader" 2>/dev/null || true
touch "$work/go"
sleep 0.3
! gone "$child" || fail "something else has killed the child"
said_nothing unguarded
kill "$tracer"
kill -CONT "$init"
wait_for 10 gone "$child"
wait_for 10 gone "$init"

expect_ok parent "$parent"
said_nothing orphan
said_nothing without_init
said_nothing unguarded
drop_image "$way"
expect_nothing_left
