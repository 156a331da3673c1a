#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# setup-debian.sh - install the packages of the given groups that are missing
#
# usage: setup-debian.sh [GROUP...]     see tools/packages.txt; "build run" if none
#
# Nothing is asked, nothing that is installed is touched, and no service is
# started: RUNLEVEL=1 tells Debian's packages so.
set -euo pipefail

list=$(dirname "$0")/packages.txt

# The missing packages of the groups, one a line.
missing() {
	local group package
	while read -r group package; do
		case " $groups " in
		*" $group "*)
			dpkg-query -W -f '${db:Status-Status}\n' "$package" \
				2>/dev/null | grep -qx installed ||
				echo "$package"
			;;
		esac
	done < <(grep -v -e '^#' -e '^$' "$list")
}

groups=${*:-build run}
mapfile -t packages < <(missing)
[ ${#packages[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
	echo "${0##*/}: please install: ${packages[*]}" >&2
	exit 1
fi
echo "installing ${packages[*]}"
export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
	apt-get update -q &&
		apt-get install -q -y --no-install-recommends "${packages[@]}"
} >"$log" 2>&1 || {
	tail -20 "$log" >&2
	echo "${0##*/}: apt-get failed" >&2
	exit 1
}
