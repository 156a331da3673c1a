# SPDX-License-Identifier: MIT
# lib.sh - what the lint scripts share: sourced with the root as directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The project's own text files with one of the given name endings.
sources() {
	local args=() ending
	for ending in "$@"; do
		args+=(-o -name "*$ending")
	done
	find . \( -name .git -o -name 'build*' \) -prune -o \
		-type f \( "${args[@]:1}" \) -print | sed 's|^\./||' | sort
}

need() {
	command -v "$1" >/dev/null || {
		echo "skip: $1 is not installed"
		exit 77
	}
}
