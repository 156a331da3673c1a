#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mitosis-bench rpc counts right: what the clients say is what the server says.
# No rate is looked at.
. "$(dirname "$0")/lib.sh"
need_tools mitosis-bench mitosisd

bench=$tools/mitosis-bench

# total FILE: the requests in its line of the total.
total() {
	sed -nE 's/^total: ([0-9]+) requests in .*/\1/p' "$1"
}

# sum FILE: requests of all intervals, which are JSON here.
sum() {
	sed -nE 's/.*"passed_ns": [0-9]+, "requests": ([0-9]+).*/\1/p' "$1" |
		awk '{ n += $1 } END { print n + 0 }'
}

start server "$bench" rpc --server --listen 127.0.0.1:0 \
	--server_running_secs 100
server=$pid
wait_for 20 grep -qs ^ready server.out
port=$(sed -nE 's/^ready tcp:127\.0\.0\.1:([0-9]+)$/\1/p' server.out)
[ -n "$port" ] || fail "the server does not say where it is"

"$bench" rpc --connect "127.0.0.1:$port" --thread_count 3 --requests 500 \
	>alone.out
[ "$(total alone.out)" = 1500 ] || fail "3 x 500 calls are not 1500"
grep -qE '^passed: [0-9]+ us, thpt: [0-9]+ requests/s$' alone.out ||
	fail "no line for an interval"

# Two programs at once, as on two hosts, with bodies, many calls under way.
for name in one two; do
	"$bench" rpc --connect "127.0.0.1:$port" --thread-count 2 \
		--requests 3000 --outstanding 64 --body 4096 >$name.out &
	declare $name=$!
done
wait "$one"
wait "$two"
for name in one two; do
	[ "$(total $name.out)" = 6000 ] || fail "2 x 3000 calls are not 6000"
done

# By time: the intervals are all there is.
"$bench" rpc --connect "127.0.0.1:$port" --client_running_secs 2 \
	--report_interval 1 --json >timed.out
timed=$(sed -nE 's/.*"proto".*"requests": ([0-9]+).*/\1/p' timed.out)
[ "$timed" -gt 0 ] || fail "no call in two seconds"
[ "$(grep -c passed_ns timed.out)" = 2 ] || fail "two seconds, two lines"
# A call that was under way at the end is in the total only.
[ $((timed - $(sum timed.out))) -le 4 ] || fail "intervals miss some calls"

kill -TERM "$server"
expect_exit "$server" 0 "the server"
wait "${reader_of[server]}"
has_line server.out "served: $((1500 + 12000 + timed)) requests of 11 clients" ||
	fail "the server has counted $(tail -1 server.out)"

# A real daemon answers as well.
start_daemon
"$bench" rpc --connect "127.0.0.1:$port" --requests 50 --body 64 >daemon.out
[ "$(total daemon.out)" = 200 ] || fail "4 x 50 calls are not 200"
stop_daemon

# Errors are one line and exit status 1; wrong options 2.
status=0
"$bench" rpc --connect "127.0.0.1:$port" 2>none.err || status=$?
[ $status = 1 ] || fail "nobody there: $status"
[ "$(wc -l <none.err)" = 1 ] || fail "not one line: $(cat none.err)"
for wrong in "" "--server --connect x" "--connect x --body 4097" \
	"--connect x --proto local" "--connect x:y" "--server --thread_count 0"; do
	status=0
	# shellcheck disable=SC2086 # words are wanted
	"$bench" rpc $wrong 2>wrong.err || status=$?
	[ $status = 2 ] || fail "rpc $wrong: status $status"
done
expect_nothing_left
