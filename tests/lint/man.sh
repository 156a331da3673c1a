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
for program in $(grep -hoE "executable\('mitosis[a-z-]*" tools/meson.build |
	cut -d"'" -f2 | grep -vx mitosis-bench-parent); do
	ls "docs/man/$program".[18].scd >/dev/null 2>&1 || {
		echo "$program: has no manual page"
		bad=1
	}
	grep -qE "^complete .* $program\$" dist/completion/mitosis || {
		echo "$program: is not completed"
		bad=1
	}
done
exit $bad
