#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# contract.sh - the verbs transport keeps the rules of rdmafetch/transport.h
LIMIT=150
. "$(dirname "$0")/../lib.sh"

hosts_up
on A timeout 140 "$MITOSIS_BUILD/tests/contract/test_transport_contract" verbs
