#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# dgram.sh - clients without a connection, by RDMA datagrams: one queue pair for all,
# who is not known gets nothing, losses do no harm, and calls are counted
LIMIT=300
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisctl mitosis-bench
need_programs setpriv
probe=$MITOSIS_BUILD/tests/vm/dgram_probe
[ -x "$probe" ] || skip "built without RDMA"

hosts_up
munge_up
chmod 666 /dev/infiniband/* "$munge"
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
start nobodys "${as_nobody[@]}" sleep 1000
nobodys=$pid
start_on A daemon "$tools/mitosisd" --socket "$dir/control.sock" --listen none \
	--sec munge --munge-socket "$munge" --rdma="${address[A]}:7373" \
	--ready-fd 3 3>ready
daemon=$pid
wait_for 60 test -s ready -o ! -e "/proc/$daemon"
[ -s ready ] || fail "mitosisd does not start"
ctl=("$tools/mitosisctl" --socket "$dir/control.sock")

# ask MUNGE NAME: all questions, from host B.
ask() {
	on B timeout 100 "${as_nobody[@]}" "$probe" ask "${address[A]}" 7373 \
		"$1" "$nobodys" "$2"
}
expect_said() {
	grep -qE "^$1" "$2" || fail "not '$1' but: $(cat "$2")"
}

! ask none stranger >none.txt || fail "let in without a credential"
expect_said 'hello: EACCES: .*sec=munge' none.txt
ask "$munge" first >first.txt || fail "$(cat first.txt)"
for words in 'hello: ok' 'nil: ok' 'prepare: ok' 'open: ok: [0-9]{5,} bytes' \
	'export: EOPNOTSUPP' 'release: ok' 'open: ENOENT: no image is called first'; do
	expect_said "$words" first.txt
done

# mitosisctl, as a user of host B.
by_datagrams() {
	on B timeout 60 "${as_nobody[@]}" "$tools/mitosisctl" \
		--host "${address[A]}" --proto rdma-ud --sec munge \
		--munge-socket "$munge" "$@"
}
by_datagrams prepare "$nobodys" --name mine >said.txt || fail "$(cat said.txt)"
by_datagrams list | grep -q '^mine ' || fail "it is not in the list"
by_datagrams renew mine >said.txt || fail "$(cat said.txt)"
by_datagrams release mine >said.txt || fail "$(cat said.txt)"
by_datagrams status | grep -q '^images: *0' || fail "$(by_datagrams status)"
! by_datagrams release mine 2>said.txt || fail "released twice"
grep -q 'no image is called mine' said.txt || fail "$(cat said.txt)"

# One queue pair, however many guests; gone with them is only what was theirs.
pairs() {
	rdma res show qp | grep -c "type UD .*comm mitosisd" || true
}
mkfifo hold
on B "$probe" hold "${address[A]}" 7373 "$munge" 20 <hold >hold.txt &
exec {held}>hold
wait_for 120 grep -qx 'all: ok' hold.txt
[ "$(grep -c '^nil: ok' hold.txt)" = 20 ] || fail "$(cat hold.txt)"
[ "$(pairs)" = 1 ] || fail "$(pairs) queue pairs: $(rdma res show qp)"
clients() {
	"${ctl[@]}" status --json | grep -oE '"rdma_clients": *[0-9]+' |
		grep -oE '[0-9]+$'
}
clients_are() {
	[ "$(clients)" = "$1" ]
}
clients_are 20 || fail "$(clients) clients, not 20"
! rdma res show mr | grep 'comm sleep' || fail "memory is registered for guests"
exec {held}>&-
wait_for 60 clients_are 0

# An answer that finds no route breaks soft-RoCE's queue pair.  Its guests are
# dropped, and who comes then has another.
pairs_are() {
	[ "$(pairs)" = "$1" ]
}
on B "$probe" hold "${address[A]}" 7373 "$munge" 1 <hold >hold.txt &
holds=$!
exec {held}>hold
wait_for 60 grep -qx 'all: ok' hold.txt
kill -STOP "$daemon"
echo >&$held
sleep 1
link_down A
kill -CONT "$daemon"
wait_for 30 pairs_are 0
clients_are 0 || fail "$(clients) clients of a queue pair that is gone"
exec {held}>&-
kill $holds
link_up A
ask "$munge" anew >anew.txt || fail "$(cat anew.txt)"
expect_said 'release: ok' anew.txt
pairs_are 1 || fail "$(rdma res show qp)"

# A host whose link takes datagrams of 1024 bytes only, where the daemon's takes 4096.
ip -n B link set "${link[B]}" mtu 1500
ask "$munge" short >short.txt || fail "$(cat short.txt)"
expect_said 'open: ok: [0-9]{5,} bytes' short.txt
ip -n B link set "${link[B]}" mtu 4500

# forge QPN NR: datagrams for host A's queue pair QPN, each from another host of its
# network, none of which is there.
forge() {
	on B /usr/bin/python3 - "${address[A]}" "$@" <<-'END'
	import socket, struct, sys, zlib
	to, qpn, nr = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
	out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	for i in range(nr):
	    body = bytes(24)
	    udp = struct.pack(">HHHH", 50000, 4791, 8 + 12 + 8 + len(body) + 4, 0)
	    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp) + 12 + 8 +
	                     len(body) + 4, i, 0x4000, 64, 17, 0)
	    ip += socket.inet_aton("10.9.0.%d" % (100 + i)) + socket.inet_aton(to)
	    bth = struct.pack(">BBHII", 0x64, 0x40, 0xffff, qpn, i)
	    deth = struct.pack(">II", 0x01234567, 2)
	    # What routers may change counts as ones, as does what stands before IP.
	    sure = bytearray(b"\xff" * 8 + ip + udp + bth + deth + body)
	    for at in (8 + 1, 8 + 8, 8 + 10, 8 + 11, 8 + 26, 8 + 27, 8 + 28 + 4):
	        sure[at] = 0xff
	    crc = struct.pack("<I", zlib.crc32(sure))
	    out.sendto(ip + udp + bth + deth + body + crc, (to, 0))
	END
}

# To answer a host that is not there would take the daemon a second of its time: many
# of them do not keep it from those that are.
received() {
	on A rdma statistic show link rxeA/1 | grep -oP 'rcvd_pkts \K\d+'
}
number=$(rdma res show qp | grep "type UD .*comm mitosisd" | grep -oP 'lqpn \K\d+')
before=$(received)
forge "$number" 100
wait_for 60 test "$(received)" -ge $((before + 100))
ask "$munge" real >real.txt || fail "$(cat real.txt)"
expect_said 'release: ok' real.txt

# A fifth of what the guests send is lost, and of what they hear: each call is made
# once all the same.
if modprobe sch_netem 2>/dev/null; then
	for host in A B; do
		tc -n $host qdisc add dev "${link[$host]}" root netem loss 20%
	done
	for turn in 1 2 3; do
		ask "$munge" "lossy$turn" >lossy.txt || fail "$(cat lossy.txt)"
		expect_said 'prepare: ok' lossy.txt
		expect_said 'open: ok: [0-9]{5,} bytes' lossy.txt
		expect_said 'release: ok' lossy.txt
	done
	for host in A B; do
		tc -n $host qdisc del dev "${link[$host]}" root
	done
	[ "$("${ctl[@]}" status --json | grep -oE '"prepared": *[0-9]+' |
		grep -oE '[0-9]+$')" = 8 ] || fail "a call was made twice"
else
	echo "without loss: this kernel has no netem"
fi
kill -TERM "$daemon"
expect_exit "$daemon" 0 mitosisd

start_on A calls "$tools/mitosis-bench" rpc --server --listen "${address[A]}:0" \
	--proto rdma-ud --server_running_secs 100
server=$pid
wait_for 60 grep -qs ^ready calls.out
where=$(sed -nE 's/^ready rdma-ud://p' calls.out)
on B "$tools/mitosis-bench" rpc --connect "$where" --proto rdma-ud \
	--thread_count 3 --requests 40 --outstanding 16 --body 64 >some.out ||
	fail "calls by datagrams"
grep -q '^total: 120 requests in' some.out || fail "$(cat some.out)"
! on B "$tools/mitosis-bench" rpc --connect "$where" --proto rdma-ud \
	--requests 1 --body 4096 >long.out 2>&1 || fail "4096 bytes fit"
grep -q 'does not fit in a datagram' long.out || fail "$(cat long.out)"
kill -TERM "$server"
expect_exit "$server" 0 "the server of calls"
wait "${reader_of[calls]}"
grep -q '^served: 120 requests of 4 clients' calls.out || fail "$(cat calls.out)"

# A server of two addresses answers from the one that was asked.
ip -n A addr add 10.9.0.3/24 dev "${link[A]}"
start_on A both "$tools/mitosis-bench" rpc --server --listen 0.0.0.0:0 \
	--proto rdma-ud --server_running_secs 100
server=$pid
wait_for 60 grep -qs ^ready both.out
port=$(sed -nE 's/^ready rdma-ud:.*:([0-9]+)$/\1/p' both.out)
for where in "${address[A]}" 10.9.0.3 "${address[A]}"; do
	on B timeout 60 "$tools/mitosis-bench" rpc --connect "$where:$port" \
		--proto rdma-ud --requests 4 >some.out 2>&1 ||
		fail "$where: $(cat both.out some.out)"
done
kill -TERM "$server"
expect_exit "$server" 0 "the server of two addresses"
ip -n A addr del 10.9.0.3/24 dev "${link[A]}"

# Nobody there: in words, in time.
! on B timeout 60 "$tools/mitosis-bench" rpc --connect "${address[A]}:7999" \
	--proto rdma-ud --requests 1 >gone.out 2>&1 || fail "somebody is there"
[ "$(wc -l <gone.out)" = 1 ] || fail "$(cat gone.out)"
