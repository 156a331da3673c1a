#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bench.sh - mitosis-bench rpc and transport over RDMA between two hosts: all calls
# are counted, all cells are measured and every page is right.  No figure is looked
# at: the CPU is emulated.
LIMIT=300
. "$(dirname "$0")/../lib.sh"
need_tools mitosis-bench mitosisd mitosis-bench-parent
need_programs ib_read_lat ib_read_bw ib_send_bw

bench=$tools/mitosis-bench
hosts_up
munge_up
sec=(--sec munge --munge-socket "$munge")

# serve NAME ARGUMENT...: a serving role on B; where it is in $where.
serve() {
	local name=$1
	shift
	start_on B "$name" "$bench" "$@" --server --listen "${address[B]}:0" \
		--proto rdma
	server=$pid
	wait_for 90 ready_or_ended "$name"
	where=$(sed -nE 's/^ready (rdma:)?//p' "$name.out")
	[ -n "$where" ] || fail "$name does not start"
}

ready_or_ended() {
	grep -qs ^ready "$1.out" || gone "$server"
}

serve calls rpc --server_running_secs 200
on A "$bench" rpc --connect "$where" --proto rdma --thread_count 3 \
	--requests 40 --outstanding 16 --body 64 >some.out
on A "$bench" rpc --connect "$where" --proto rdma --thread_count 1 \
	--requests 30 --body 4096 --completion events >more.out
grep -q '^total: 120 requests in' some.out || fail "3 x 40 calls are not 120"
grep -q '^total: 30 requests in' more.out || fail "30 long calls are not 30"
kill -TERM "$server"
expect_exit "$server" 0 "the server of calls"
wait "${reader_of[calls]}"
has_line calls.out "served: 150 requests of 4 clients" ||
	fail "it has counted $(tail -1 calls.out)"

serve pages transport --heap 8 "${sec[@]}"
on A "$bench" transport --connect "$where" --proto rdma "${sec[@]}" \
	--heap 8 --sizes 4k,64k --depths 1,8 --rounds 1 --reads 20 --json \
	>pages.json
/usr/bin/python3 - pages.json <<-'END' || fail "cells are missing"
	import json, sys
	lines = [json.loads(line) for line in open(sys.argv[1])]
	cells = [(c["size_bytes"], c["depth"], c["who"]) for c in lines
	         if c["benchmark"] == "transport"]
	assert sorted(cells) == sorted(
	    (size, depth, who) for size in (4096, 65536)
	    for depth, rival in ((1, "ib_read_lat"), (8, "ib_read_bw"))
	    for who in ("mitosisfs", rival)), cells
	calls = [c["who"] for c in lines if c["benchmark"] == "calls"]
	assert calls == ["mitosisfs", "ib_send_bw"], calls
END
on A "$bench" transport --connect "$where" --proto rdma "${sec[@]}" \
	--heap 8 --sizes 4k --depths 1 --rounds 1 --reads 5 --clients 0 \
	--no-rival --completion events >table.out
# The heap is read one-sided, not by messages.
mib=$(sed -nE 's/^page reads, rdma by rxeA, ([0-9]+) MiB one-sided.*/\1/p' \
	table.out)
[ "${mib:-0}" -ge 8 ] || fail "not one-sided: $(head -1 table.out)"
kill -TERM "$server"
expect_exit "$server" 0 "the server of pages"
