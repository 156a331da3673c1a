#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_guard_death.sh WAY - kill the loader, and its child must end
#
# The loader answers for what the child's memory means; a child without it would
# run on wrong memory.
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load

work=$dir/work
mkdir "$work"
start parent "$zoo/zoo_drop" "$work"
parent=$pid
wait_ready parent "$parent"
take_image "$way" "$parent"

load_child "$way" child
child=$(cat child.pid)
kill -9 "$loader"
wait_for 10 gone "$child"
touch "$work/go"
expect_ok parent "$parent"
! grep -q '^ok\|^fail' child.out || fail "the child went on"
drop_image "$way"
expect_nothing_left
