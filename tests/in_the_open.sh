#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# in_the_open.sh COMMAND... - run a command where every user gets to this tree
#
# Some tests become another user, to whom a folder above this tree may be closed,
# as /root is.  So the command gets mounts of its own, in which that folder is an
# open and empty one with nothing but the way here, and the cache of its owner.
set -euo pipefail
tree=$(realpath "$(dirname "$0")/..")

# The first folder on the way to the tree that others may not pass.
closed() {
	local path='' name names
	IFS=/ read -ra names <<<"${tree#/}"
	for name in "${names[@]}"; do
		path+=/$name
		[ $((0$(stat -c %a "$path") & 1)) = 1 ] || {
			echo "$path"
			return
		}
	done
}

# show PATH: what is at PATH below the closed folder is in the open one, too.
show() {
	mkdir -p "$1"
	mount --rbind "/mnt/${1#"$folder"}" "$1"
}

folder=$(closed)
if [ -z "$folder" ]; then
	exec "$@"
fi
if [ -z "${MITOSIS_IN_THE_OPEN-}" ]; then
	export MITOSIS_IN_THE_OPEN=$folder
	exec unshare --mount --propagation slave "$0" "$@"
fi
[ "$folder" != "$tree" ] || {
	echo "tests: $tree is closed to other users, whom some tests become:" \
		"chmod o+x $tree" >&2
	exit 1
}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mitosisfs
mkdir -p "$cache"
mount --rbind "$folder" /mnt
mount -t tmpfs -o mode=755 none "$folder"
umask 022
show "$tree"
[ "${cache#"$folder/"}" = "$cache" ] || show "$cache"
umount -l /mnt
cd "$tree"
exec "$@"
