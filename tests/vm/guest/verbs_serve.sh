#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# verbs_serve.sh - the verbs server against good and bad clients; no memory stays
# registered, and no queue pair, when they are gone
LIMIT=240
. "$(dirname "$0")/../lib.sh"

hosts_up
on A timeout 220 "$MITOSIS_BUILD/tests/vm/verbs/test_verbs_serve" ||
	fail "see above"
# A host that vanishes without a word is missed by the probes of its idle client.
test=$MITOSIS_BUILD/tests/vm/verbs/test_verbs_serve
start_on A serve-one timeout 180 "$test" serve-one
server=$pid
wait_for 30 test -s serve-one.out
start_on B idle "$test" idle "$(head -1 serve-one.out)"
idle=$pid
wait_for 60 grep -q joined serve-one.out
link_down B
wait_for 120 grep -q left serve-one.out
expect_exit "$server" 0 "the server of a host that vanished"
kill -9 "$idle"
link_up B

nothing_left() {
	local kind
	for kind in mr qp pd; do
		! rdma res show $kind | grep 'comm test_verbs' || return 1
	done
} >left.out
wait_for 30 nothing_left
