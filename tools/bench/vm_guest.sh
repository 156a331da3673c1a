#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# vm_guest.sh - what vm.sh runs in the virtual machine
LIMIT=100000
. "$(dirname "$0")/../../tests/vm/lib.sh"

bench=$tools/mitosis-bench
rounds=${ROUNDS:-5}
hosts_up
munge_up
sec=(--sec munge --munge-socket "$munge")

# serve NAME ARGUMENT...: a serving role on B; where it is in $where.
serve() {
	local name=$1
	shift
	start_on B "$name" "$bench" "$@" --server --listen "${address[B]}:0"
	server=$pid
	wait_for 120 grep -qs ^ready "$name.out"
	where=$(sed -nE 's/^ready ([a-z]+:)?//p' "$name.out")
}

stop() {
	kill -TERM "$server"
	wait "$server"
}

# table TITLE COMMAND...
table() {
	printf '\n### %s\n\n```\n' "$1"
	shift
	on A "$@" 2>&1 || echo "exit status $?"
	printf '```\n'
}

for proto in rdma tcp; do
	modes=(polling events)
	[ $proto = rdma ] || modes=(adaptive)
	serve pages-$proto transport --proto $proto --heap 32 "${sec[@]}"
	for mode in "${modes[@]}"; do
		title="page reads, $proto"
		[ $proto = tcp ] || title+=", $mode"
		table "$title" "$bench" transport --connect "$where" \
			--proto $proto --heap 32 --rounds "$rounds" \
			--reads "${READS:-400}" --most 8 --completion $mode \
			--sizes "${SIZES:-4k,64k,1M}" --depths "${DEPTHS:-1,16}" \
			"${sec[@]}"
	done
	stop
	serve calls-$proto rpc --proto $proto --server_running_secs 1000
	table "empty calls, $proto, 4 clients, one call each at a time" \
		"$bench" rpc --connect "$where" --proto $proto --thread_count 4 \
		--client_running_secs 6 --report_interval 2
	table "empty calls, $proto, 4 clients, 16 calls of 64 bytes each" \
		"$bench" rpc --connect "$where" --proto $proto --thread_count 4 \
		--client_running_secs 6 --report_interval 2 --outstanding 16 \
		--body 64
	stop
done
