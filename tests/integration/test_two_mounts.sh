#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_two_mounts.sh - a child of one image does not hold another image alive
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

mkdir work
start parent "$zoo/zoo_drop" "$dir/work"
parent=$pid
wait_ready parent "$parent"

mkdir other
"$tools/mitosisfs" "local:/pid/$parent" "$dir/other"
other=$(mountpoint -d other)
take_image local-shared "$parent"
load_child local-shared child
child_loader=$loader

# The child's mount namespace was copied from one that had both mounts.
umount other
served() { [ -e "/sys/class/bdi/$other" ]; }
not_served() { ! served; }
wait_for 10 not_served

touch work/go
expect_ok child "$child_loader"
expect_ok parent "$parent"
drop_image local-shared
expect_nothing_left
