#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# contract.sh - the verbs transport keeps the rules of rdmafetch/transport.h, its
# two ends on two hosts
LIMIT=180
. "$(dirname "$0")/../lib.sh"
contract=$build/tests/contract/test_transport_contract
grep -q fake_verbs "$contract" || skip "built without RDMA"

# Bytes that have come to host B.
received() {
	on B awk '$1 == "vb:" { print $2 }' /proc/net/dev
}

hosts_up
before=$(received)
FAR_NET=/run/netns/A on B timeout 160 "$contract" verbs
[ $(($(received) - before)) -gt 10000000 ] || fail "it did not go by the cable"
