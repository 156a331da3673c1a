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
	where=$(sed -nE 's/^ready ([a-z-]+:)?//p' "$name.out")
}

stop() {
	kill -TERM "$server"
	wait "$server"
}

# Connected by rdma_cm, the far end of ib_read_lat and ib_read_bw looks for its
# goodbye all the while, and so has one of the CPUs that both hosts share.  Here it
# sleeps, as mitosisd does: the two ends meet by TCP.
asleep_on() {
	local tool tools=$dir/asleep$1
	mkdir "$tools"
	for tool in ib_read_lat ib_read_bw; do
		cat >"$tools/$tool" <<-END
		#!/bin/sh
		for word; do
			shift
			[ "\$word" = -R ] || set -- "\$@" "\$word"
		done
		exec $(type -P $tool) -d ${device[$1]} -x $(gid_index "$1") "\$@"
		END
		chmod +x "$tools/$tool"
	done
}

# table TITLE COMMAND...
table() {
	printf '\n### %s\n\n```\n' "$1"
	shift
	on A "$@" 2>&1 || echo "exit status $?"
	printf '```\n'
}

# reads PROTO MODE TITLE [OPTION...]
reads() {
	local proto=$1 mode=$2 title=$3
	shift 3
	table "page reads, $title" "$bench" transport --connect "$where" \
		--proto "$proto" --heap 32 --rounds "$rounds" \
		--reads "${READS:-400}" --most 8 --completion "$mode" \
		--sizes "${SIZES:-4k,64k,1M}" --depths "${DEPTHS:-1,16}" \
		"${sec[@]}" "$@"
}

# calls PROTO [MODE]: many empty calls a second, and what each takes.
nr_calls=0
calls() {
	local proto=$1
	serve "calls-$proto-$((++nr_calls))" rpc --proto $proto --server_running_secs 1000
	table "empty calls, $proto, 4 clients, one call each at a time" \
		"$bench" rpc --connect "$where" --proto $proto --thread_count 4 \
		--client_running_secs 6 --report_interval 2
	table "empty calls, $proto, 4 clients, 16 calls of 64 bytes each" \
		"$bench" rpc --connect "$where" --proto $proto --thread_count 4 \
		--client_running_secs 6 --report_interval 2 --outstanding 16 \
		--body 64 --completion "${2:-adaptive}"
	stop
}

# sends TITLE [OPTION...]: ib_send_bw's messages of 64 bytes, over 4 queue pairs.
sends() {
	local title=$1
	shift
	start_on B "send-bw$*" timeout 120 ib_send_bw -R -d ${device[B]} -q 4 \
		-s 64 -n 100000 "$@"
	server=$pid
	sleep 2
	table "$title" timeout 120 ib_send_bw -R -d ${device[A]} -q 4 -s 64 \
		-n 100000 "$@" "${address[B]}"
	wait "$server" || true
}

grep -q idle=poll /proc/cmdline && echo "CPUs that do not sleep (idle=poll)." ||
	echo "CPUs that sleep."
asleep_on A
asleep_on B
PATH=$dir/asleepB:$PATH serve pages-asleep transport --proto rdma --heap 32 "${sec[@]}"
for mode in polling events; do
	PATH=$dir/asleepA:$PATH reads rdma $mode \
		"rdma, $mode, the rival's far end asleep" --clients 0
done
stop
for proto in rdma tcp; do
	serve pages-$proto transport --proto $proto --heap 32 "${sec[@]}"
	if [ $proto = rdma ]; then
		for mode in polling events; do
			reads rdma $mode "rdma, $mode"
		done
	else
		reads tcp adaptive tcp
	fi
	stop
	calls $proto
done
for mode in polling events; do
	calls rdma-ud $mode
	[ $mode = polling ] && sends "ib_send_bw, polling" ||
		sends "ib_send_bw, events" -e
done

exec 2>/dev/null # nobody wants to read whom the end kills
