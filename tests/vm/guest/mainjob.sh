#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mainjob.sh - the whole job over RDMA: a busy python with numpy on host A, its
# child on host B; both go on, check all they have, and end well
LIMIT=300
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosis-load
need_programs munged

hosts_up
munge_up
work=$dir/work
mkdir "$work"
start_on A parent /usr/bin/python3 "$here/../../zoo/busy.py" "$work"
parent=$pid
daemon_on A
wait_ready parent "$parent"
before=$(portrait "$parent")

mount_on B "${address[A]}:/pid/$parent"
diff <(echo "$before") <(portrait "$parent") ||
	fail "the image changed its parent"
start_on B child "$tools/mitosis-load" --pid-file "$dir/child.pid" "$mnt/image"
loader=$pid
wait_for 120 test -s child.pid -o ! -e "/proc/$loader"
touch "$work/go"
expect_ok parent "$parent"
expect_ok child "$loader"
# Files that the parent has mapped come by messages of the same connection.
exe=$(readlink -f /usr/bin/python3)
cmp "$mnt/files$exe" "$exe"
cmp "$mnt/image/files/lib64/ld-linux-x86-64.so.2" /lib64/ld-linux-x86-64.so.2
grep -q '^transport: verbs' "$mnt/status" || fail "not over RDMA"
grep -E '^(transport|pages|fetch|bytes)' "$mnt/status" || true
umount "$mnt"
stop_daemon
