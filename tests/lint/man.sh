#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# man.sh - each manual page builds, and each program has one
. "$(dirname "$0")/lib.sh"
need scdoc

bad=0
for page in $(sources .scd); do
	scdoc <"$page" >/dev/null || {
		echo "$page: does not build"
		bad=1
	}
done
exit $bad
