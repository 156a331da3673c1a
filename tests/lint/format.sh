#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# format.sh - .c files look as clang-format 14 (.clang-format) makes them
#
# Headers are left to their authors: they hold tables of aligned comments, which
# the tool would break.
. "$(dirname "$0")/lib.sh"
need clang-format

version=$(clang-format --version | grep -oE '[0-9]+' | head -1)
if ! sources .c | xargs clang-format --dry-run --Werror; then
	if [ "$version" != 14 ]; then
		echo "skip: clang-format $version is not 14 and may differ"
		exit 77
	fi
	exit 1
fi
