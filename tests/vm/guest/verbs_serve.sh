#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# verbs_serve.sh - the verbs server against good and bad clients; no memory stays
# registered, and no queue pair, when they are gone
LIMIT=240
. "$(dirname "$0")/../lib.sh"

hosts_up
programs=$MITOSIS_BUILD/tests/vm/verbs
[ -x "$programs/test_verbs_serve" ] || skip "built without RDMA"
on A timeout 150 "$programs/test_verbs_serve" || fail "see above"
on A timeout 100 "$programs/test_verbs_crowd" || fail "see above"

# A host that vanishes without a word is missed by the probes of its idle client.
start_on A serve-one timeout 180 "$programs/test_verbs_crowd" serve-one
server=$pid
wait_for 30 test -s serve-one.out
start_on B idle "$programs/test_verbs_crowd" idle "$(head -1 serve-one.out)"
idle=$pid
wait_for 60 grep -q joined serve-one.out
cable_out
wait_for 120 grep -q left serve-one.out
expect_exit "$server" 0 "the server of a host that vanished"
kill -9 "$idle"

# And is welcome again.
cable_in
start_on A serve-again timeout 100 "$programs/test_verbs_crowd" serve-one
server=$pid
wait_for 30 test -s serve-again.out
on B timeout 60 "$programs/test_verbs_crowd" busy "$(head -1 serve-again.out)" ||
	fail "a host that came back is not served"
expect_exit "$server" 0 "the server of a host that came back"

nothing_left() {
	local kind
	for kind in mr qp pd; do
		! rdma res show $kind | grep 'comm test_verbs' || return 1
	done
} >left.out
wait_for 30 nothing_left
