# SPDX-License-Identifier: MIT
# lib.sh - what the tests in the virtual machine share; source it first.
#
# All of tests/integration/lib.sh, and two hosts in one machine: the network
# namespaces A and B, joined by a cable, with a soft-RoCE device each.
#
#     A: va 10.9.0.1 rxeA  ----------  B: vb 10.9.0.2 rxeB
#
# Both devices are seen in both namespaces (RDMA's "shared" mode: the exclusive
# one has no connection manager here), so choose by name or by address.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"

[ -n "${MITOSIS_VM-}" ] || skip "this runs in the virtual machine: tests/vm/suite"

# A new process is dear in an emulated machine: wait without one.
mkfifo "$dir/never"
sleep() {
	read -r -t "$1" <>"$dir/never" || true
}

declare -A address=([A]=10.9.0.1 [B]=10.9.0.2)
declare -A device=([A]=rxeA [B]=rxeB)
declare -A link=([A]=va [B]=vb)

# on HOST COMMAND...: in the host's network.  "ip netns exec" would give it mounts
# of its own too, and nobody else would see what it mounts.
on() {
	local host=$1
	shift
	nsenter --net="/run/netns/$host" -- "$@"
}

# Make the hosts, or mend what an earlier test has left of them.
hosts_up() {
	if [ ! -e /run/netns/B ]; then
		modprobe -a rdma_rxe ib_uverbs rdma_ucm veth fuse
		ip netns add A
		ip netns add B
		ip link add va netns A type veth peer name vb netns B
		hosts_addresses
	fi
	link_up A
	link_up B
}

# An MTU that lets RoCE have its largest packets, of 4096 bytes.
hosts_addresses() {
	local host
	for host in A B; do
		ip -n $host link set lo up
		ip -n $host addr add "${address[$host]}/24" dev "${link[$host]}"
		ip -n $host link set "${link[$host]}" mtu 4500 up
		on $host rdma link add "${device[$host]}" type rxe \
			netdev "${link[$host]}"
	done
}

link_down() {
	ip -n "$1" link set "${link[$1]}" down
}

# Returns once the host's device can be used.
link_up() {
	ip -n "$1" link set "${link[$1]}" up
	wait_for 30 port_active "$1"
	wait_for 30 gid_index "$1" >/dev/null
}

# Nothing gets from one host to the other any more, and neither knows: a neighbour
# has an address that nobody has.  (With the link down and so no route, soft-RoCE's
# connection manager ends at the first message it would send: its queue pair, see
# "rdma res show qp", stays in state ERR until the device is made again.)
cable_out() {
	local host
	for host in A B; do
		ip -n $host neigh replace "${address[$(other "$host")]}" \
			lladdr 02:00:00:00:00:01 dev "${link[$host]}" \
			nud permanent
	done
}

cable_in() {
	local host
	for host in A B; do
		ip -n $host neigh del "${address[$(other "$host")]}" \
			dev "${link[$host]}"
	done
}

other() {
	[ "$1" = A ] && echo B || echo A
}

port_active() {
	grep -q ACTIVE "/sys/class/infiniband/${device[$1]}/ports/1/state"
}

# gid_index HOST: print which GID is its address in RoCE v2.  It comes up to some
# seconds after the link.
gid_index() {
	local port=/sys/class/infiniband/${device[$1]}/ports/1 index gid
	gid=$(printf '0000:0000:0000:0000:0000:ffff:%02x%02x:%02x%02x' \
		${address[$1]//./ })
	for index in 0 1 2 3 4 5 6 7; do
		if [ "$(cat "$port/gids/$index")" = "$gid" ] &&
			grep -qs v2 "$port/gid_attrs/types/$index"; then
			echo $index
			return
		fi
	done
	return 1
}

# start_on HOST NAME COMMAND...: "start" in the host's network.
start_on() {
	local host=$1 name=$2
	shift 2
	start "$name" nsenter --net="/run/netns/$host" -- "$@"
}

# Does anyone listen on HOST's port?
tcp_listens() {
	ss -N "$1" -Htln "sport = :$2" | grep -q .
}

# The same for a port of RDMA's, on any host.
rdma_listens() {
	rdma resource show cm_id | grep -q " state LISTEN .*:$1 "
}

# One munged for both hosts, as they have the same users; its socket in $munge.
munge_up() {
	need_programs munged
	munge=$dir/munge/socket
	mkdir "$dir/munge"
	(umask 077 && printf '%064d' 1 >"$dir/munge/key")
	start munged munged --foreground --force --socket "$munge" \
		--key-file "$dir/munge/key" --log-file "$dir/munge/log" \
		--pid-file "$dir/munge/pid" --seed-file "$dir/munge/seed"
	wait_for 60 test -S "$munge" -o ! -e "/proc/$pid"
	[ -S "$munge" ] || fail "munged does not start"
}

# daemon_on HOST [OPTIONS]: mitosisd with RDMA, and with TCP only on $tcp; sets
# $daemon, $socket to its unix socket, $port to TCP's.  munge_up first.
daemon_on() {
	local host=$1 ready=$dir/ready.$((++daemons))
	shift
	socket=$dir/mitosisd-$daemons.sock
	start_on "$host" "mitosisd-$daemons" "$tools/mitosisd" --listen "${tcp:-none}" \
		--rdma="${address[$host]}" --socket "$socket" --sec munge \
		--munge-socket "$munge" --no-root-squash --ready-fd 3 "$@" \
		3>"$ready"
	daemon=$pid
	wait_for 60 test -s "$ready" -o ! -e "/proc/$daemon"
	grep -q ' rdma:' "$ready" || fail "mitosisd does not start"
	port=$(grep -oP ' tcp:[\d.]+:\K\d+' "$ready") || port=
}

# mount_on HOST SOURCE [OPTIONS]: an image at $mnt, over RDMA, with a server of
# its own: the hosts here have one /run.
mount_on() {
	mkdir -p "$mnt"
	on "$1" "$tools/mitosisfs" "$2" "$mnt" \
		-o "nosharecache,proto=rdma,sec=munge,munge_socket=$munge${3:+,$3}"
	fuse_connections+=("$(mountpoint -d "$mnt" | cut -d: -f2)")
	grep -qxF "transport: verbs (${device[$1]})" "$mnt/status" ||
		fail "not over ${device[$1]}: $(grep ^transport "$mnt/status")"
}
