#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ipv6.sh - RoCE v2 over IPv6: the same bytes by READs and by TCP, a child, and calls
# without a connection
LIMIT=200
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosisctl mitosis-load
need_programs sha256sum

hosts_up
modprobe fuse 2>/dev/null || true
munge_up
declare -A six=([A]=fd00:9::1 [B]=fd00:9::2)
has_gid() {
	local host=$1 last
	last=$(printf '%04x' "${six[$host]##*:}")
	grep -qs "^fd00:0009:.*:$last\$" \
		/sys/class/infiniband/${device[$host]}/ports/1/gids/?
}
for host in A B; do
	ip -n $host addr replace "${six[$host]}/64" dev "${link[$host]}" nodad
	wait_for 30 has_gid $host
done

start parent env sleep 1000
parent=$pid
start_on A daemon "$tools/mitosisd" --socket "$dir/control.sock" --sec munge \
	--munge-socket "$munge" --no-root-squash --listen "[${six[A]}]:7373" \
	--rdma="[${six[A]}]:7373" --ready-fd 3 3>ready
daemon=$pid
wait_for 60 test -s ready -o ! -e "/proc/$daemon"
[ -s ready ] || fail "mitosisd does not start"
"$tools/mitosisctl" --socket "$dir/control.sock" prepare "$parent" --name an >/dev/null

mkdir mnt
mount_on_b() {
	on B "$tools/mitosisfs" "[${six[A]}]:/image/an" "$dir/mnt" \
		-o "nosharecache,sec=munge,munge_socket=$munge,$1"
	fuse_connections+=("$(mountpoint -d "$dir/mnt" | cut -d: -f2)")
}
transport_is() {
	grep -qE -- "^transport: $1\$" mnt/status ||
		fail "not '$1' but: $(grep ^transport mnt/status)"
}
bytes() {
	cat mnt/image/vma/* mnt/image/exe | sha256sum
}

mount_on_b proto=tcp
transport_is tcp
sum=$(bytes)
umount mnt
mount_on_b proto=rdma
transport_is 'verbs \(rxeB\)'
[ "$(bytes)" = "$sum" ] || fail "other bytes over RDMA"
timeout 60 "$tools/mitosis-load" --pid=new --detach --pid-file child mnt/image ||
	fail "no child"
[ "$(tr '\0' ' ' <"/proc/$(cat child)/cmdline")" = "sleep 1000 " ] ||
	fail "another child: $(tr '\0' ' ' <"/proc/$(cat child)/cmdline")"
kill "$(cat child)"
wait_for 60 umount -q "$dir/mnt"

# Without a connection.
by_datagrams() {
	on B timeout 60 "$tools/mitosisctl" --host "${six[A]}" --proto rdma-ud \
		--sec munge --munge-socket "$munge" "$@"
}
by_datagrams prepare "$parent" --name mine >said.txt || fail "$(cat said.txt)"
by_datagrams list | grep '^mine ' >/dev/null || fail "it is not in the list"
by_datagrams release mine >said.txt || fail "$(cat said.txt)"
kill -TERM "$daemon"
expect_exit "$daemon" 0 mitosisd

for host in A B; do
	ip -n $host addr del "${six[$host]}/64" dev "${link[$host]}"
done
