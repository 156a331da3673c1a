#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# smoke.sh - the machine has what the other tests need: verbs and the connection
# manager between two hosts, on-demand paging, FUSE over io_uring
LIMIT=150
. "$(dirname "$0")/../lib.sh"

hosts_up

# Messages of 4 KiB over a queue pair made by hand; -c checks the bytes.
start_on B pingpong timeout 60 ibv_rc_pingpong -c -d rxeB -g "$(gid_index B)" \
	-s 4096 -n 100 -p 18515
server=$pid
wait_for 30 tcp_listens B 18515
on A timeout 60 ibv_rc_pingpong -c -d rxeA -g "$(gid_index A)" -s 4096 -n 100 \
	-p 18515 "${address[B]}" >pingpong-A.out || fail "no pingpong"
expect_exit "$server" 0 "the server of pingpong"

# With the connection manager, with reads and writes; -V checks the bytes.
ping_pong() {
	local server
	start_on B "rping-$1" timeout 60 rping -s -V -a "${address[B]}" -C 5
	server=$pid
	wait_for 30 rdma_listens 7174
	on A timeout 60 rping -c -V -a "${address[B]}" -C 5 \
		>"rping-client-$1.out" 2>&1 || fail "no rping $1"
	expect_exit "$server" 0 "the server of rping"
}
ping_pong first

link_down B
! port_active B || fail "the link is down, and the port active"
link_up B
ping_pong after-link-up

ibv_devinfo -v -d rxeA >devinfo.out
grep -A 20 'rc_odp_caps' devinfo.out | grep -q SUPPORT_READ ||
	fail "rxe has no on-demand paging of reads"

modprobe fuse 2>/dev/null || true
[ -c /dev/fuse ] || fail "there is no FUSE"
[ -e /sys/module/fuse/parameters/enable_uring ] ||
	fail "there is no FUSE over io_uring"
