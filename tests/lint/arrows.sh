#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# arrows.sh - an include is an arrow, and arrows point one way
#
#   common <- rdmafetch <- { fs, parent }     common <- loader -> loader/blob
#
# tools and tests may use all.  Includes are written from the root, so that each
# line shows its arrow; only tests may name a file beside them without a folder.
. "$(dirname "$0")/lib.sh"

# What files of a folder may include.
allowed() {
	case $1 in
	common) echo common ;;
	rdmafetch) echo common rdmafetch ;;
	fs) echo common rdmafetch fs ;;
	parent) echo common rdmafetch parent ;;
	loader) echo common loader loader/blob ;;
	loader/blob) echo loader/blob ;;
	tools*) echo common rdmafetch parent fs loader loader/blob tools tools/bench ;;
	tests*) echo common rdmafetch parent fs loader loader/blob tools tools/bench . ;;
	*) echo ;;
	esac
}

# "FILE FOLDER" for each quoted include, FOLDER "." when it names none.
includes() {
	sources .c .h .S | xargs grep -H '^[[:space:]]*#[[:space:]]*include "' |
		sed -E 's|^([^:]*):.*include "([^"]*)".*|\1 \2|' |
		awk '{ n = match($2, "/[^/]*$")
		       print $1, n ? substr($2, 1, n - 1) : "." }'
}

bad=0
while read -r file to; do
	from=$(dirname "$file")
	# The generated header of names and versions stands in no folder.
	if [ "$to" = . ] && grep -q '^#include "config.h"' "$file"; then
		continue
	fi
	case $from:$to in
	tests*:tests*) continue ;;
	esac
	case " $(allowed "$from") " in
	*" $to "*) ;;
	*)
		echo "$file: may not include from $to/"
		bad=1
		;;
	esac
done < <(includes)
exit $bad
