#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# verbs_serve.sh - the verbs server against good and bad clients; no memory stays
# registered, and no queue pair, when they are gone
LIMIT=240
. "$(dirname "$0")/../lib.sh"

hosts_up
on A timeout 220 "$MITOSIS_BUILD/tests/vm/verbs/test_verbs_serve" ||
	fail "see above"
for kind in mr qp pd; do
	rdma res show $kind >"$kind.out"
	! grep -E 'comm test_verbs' "$kind.out" || fail "a $kind is left"
done
