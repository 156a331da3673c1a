#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# way.sh - docs/way-of-a-page.md and the code name the same files
#
# A file that carries a step says "Step N of the way of a page" at its top, and
# the page must name it.
. "$(dirname "$0")/lib.sh"

page=docs/way-of-a-page.md
[ -e "$page" ] || {
	echo "skip: there is no $page"
	exit 77
}
bad=0
steps=$(sources .c .h .S | xargs grep -oE 'Step [0-9]+ of the way of a page' |
	sed -E 's|^([^:]*):Step ([0-9]+).*|\2 \1|')
while read -r step file; do
	grep -qF "$file" "$page" || grep -qF "${file%.*}" "$page" || {
		echo "$page does not name $file, which is step $step"
		bad=1
	}
done <<<"$steps"
exit $bad
