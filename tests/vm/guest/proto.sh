#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# proto.sh - a mount says how its pages come and why, and they are the same
LIMIT=200
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosisctl
need_programs sha256sum

hosts_up
modprobe fuse 2>/dev/null || true

munge_up
start parent env sleep 1000
parent=$pid

# boot NAME [OPTIONS]: mitosisd on host A, with an image of the parent.
boot() {
	local name=$1
	shift
	start_on A "$name" "$tools/mitosisd" --socket "$dir/$name.sock" \
		--sec munge --munge-socket "$munge" \
		--no-root-squash --ready-fd 3 "$@" 3>"$name.ready"
	daemon=$pid
	wait_for 60 test -s "$name.ready" -o ! -e "/proc/$daemon"
	[ -s "$name.ready" ] || fail "$name does not start"
	port=$(grep -oP "tcp:[\\d.]+:\\K\\d+" "$name.ready") || port=7373
	"$tools/mitosisctl" --socket "$dir/$name.sock" prepare "$parent" \
		--name an >/dev/null
}

# mount_on_b OPTIONS: the image of host A.
mkdir mnt
mount_on_b() {
	on B "$tools/mitosisfs" "${address[A]}:/image/an" "$dir/mnt" \
		-o "nosharecache,port=$port,sec=munge,munge_socket=$munge,$1"
	fuse_connections+=("$(mountpoint -d "$dir/mnt" | cut -d: -f2)")
}

expect_words() {
	grep -qE -- "^transport: $1\$" mnt/status ||
		fail "not '$1' but: $(grep ^transport mnt/status)"
}

# The sum of all pages, past the page cache of another mount.
bytes() {
	cat mnt/image/vma/* mnt/image/exe | sha256sum
}

# expect_refused OPTIONS WORDS
expect_refused() {
	local said status=0
	said=$(mount_on_b "$1" 2>&1) || status=$?
	[ $status = 32 ] || fail "with $1: $status, $said"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than one line: $said"
	grep -qF -- "$2" <<<"$said" || fail "not '$2' but: $said"
}

# A daemon without RDMA.
boot plain --listen "${address[A]}:0"
mount_on_b proto=auto
expect_words 'tcp \(why: the mitosisd there serves no RDMA\)'
umount mnt
mount_on_b proto=tcp
expect_words 'tcp'
umount mnt
port=7373 expect_refused proto=rdma --rdma
stop_daemon

# One with it, on all devices.
boot rdma --listen "${address[A]}:0" --rdma
mount_on_b proto=auto
expect_words 'verbs \(rxeB\)'
sum=$(bytes)
umount mnt
mount_on_b proto=tcp
expect_words tcp
[ "$(bytes)" = "$sum" ] || fail "other bytes over RDMA"
umount mnt
mount_on_b rdma_dev=rxeA
expect_words 'tcp \(why: rdma to .* through rxeA: no route .*\)'
umount mnt
mount_on_b rdma_dev=mlx5_0
expect_words 'tcp \(why: rdma to .* through mlx5_0: there is no such .*\)'
umount mnt
port=7373 expect_refused proto=rdma,rdma_dev=rxeA 'no route'

stop_daemon

# A daemon that no TCP leads to: prepared, renewed and released by RDMA.
boot only --listen none --rdma="${address[A]}:7373"
on B "$tools/mitosisfs" "${address[A]}:/pid/$parent" "$dir/mnt" \
	-o "proto=rdma,lease=6,sec=munge,munge_socket=$munge"
fuse_connections+=("$(mountpoint -d "$dir/mnt" | cut -d: -f2)")
expect_words 'verbs \(rxeB\)'
bytes >/dev/null
sleep 13
grep -q '^state: ready' mnt/status || fail "$(cat mnt/status)"
images_are() {
	"$tools/mitosisctl" --socket "$dir/only.sock" list >images
	[ "$(grep -c " $parent " images)" = "$1" ]
}
images_are 2 || fail "not 2 images: $(cat images)"
umount mnt
wait_for 60 images_are 1
stop_daemon
