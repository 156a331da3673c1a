#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# heads.sh - each file opens with its licence, each header with what it is for,
# and nothing carries notes to the author or paths of one machine.
. "$(dirname "$0")/lib.sh"

bad=0
complain() {
	echo "$*"
	bad=1
}

for file in $(sources .c .h .S); do
	read -r first <"$file" || first=
	[ "$first" = '/* SPDX-License-Identifier: MIT */' ] ||
		complain "$file: line 1 is not the SPDX head"
done
for file in $(sources .h); do
	name=$(basename "$file")
	sed -n 3p "$file" | grep -qE "^ \* $name - ." ||
		complain "$file: line 3 is not ' * $name - what it is for'"
done
for file in $(sources .sh .py); do
	head -3 "$file" | grep -q '^# SPDX-License-Identifier: MIT$' ||
		complain "$file: no SPDX head in the first three lines"
done

# Written in two halves, so that this file does not find itself.
notes='\b(TO''DO|FIX''ME|X''XX:|HA''CK:)([^_A-Z]|$)'
paths='(^|[^[:alnum:]_.}])(/wo''rk/|/tmp/w''t/|/home/[a-z])'
for pattern in "$notes" "$paths"; do
	if sources .c .h .S .sh .py .md .scd .build .txt |
		xargs grep -nE "$pattern" /dev/null; then
		complain "the lines above match $pattern"
	fi
done
exit $bad
