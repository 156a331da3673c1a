#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# verbs.sh - the reading end over RDMA, against a far end that misbehaves
LIMIT=150
. "$(dirname "$0")/../lib.sh"

hosts_up
on A timeout 140 "$MITOSIS_BUILD/tests/contract/test_verbs"
