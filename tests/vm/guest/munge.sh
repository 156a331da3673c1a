#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# munge.sh - clients of another host over RDMA: a user has its own process and no
# other's, root is nobody, and who says nothing is refused
LIMIT=200
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosisctl
need_programs munged setpriv
"$tools/mitosisd" --sec munge --version >/dev/null 2>&1 ||
	skip "built without libmunge"

hosts_up
modprobe fuse 2>/dev/null || true
chmod 666 /dev/infiniband/* /dev/fuse

# munge_on NAME KEY
munge_on() {
	mkdir "munge-$1"
	(umask 077 && printf '%064d' "$2" >"munge-$1/key")
	start "munged-$1" munged --foreground --force \
		--socket "$dir/munge-$1/socket" --key-file "$dir/munge-$1/key" \
		--log-file "$dir/munge-$1/log" --pid-file "$dir/munge-$1/pid" \
		--seed-file "$dir/munge-$1/seed"
	wait_for 60 test -S "munge-$1/socket"
}
munge_on A 1
munge_on B 1
munge_on stranger 2

nobody=65534
as_nobody=(setpriv --reuid $nobody --regid $nobody --clear-groups)
start roots sleep 1000
roots=$pid
start nobodys "${as_nobody[@]}" sleep 1000
nobodys=$pid

# Without --sec there is no RDMA for others.
said=$(on A "$tools/mitosisd" --socket none --listen none \
	--rdma="${address[A]}" 2>&1) && fail "RDMA is served without --sec"
grep -qF 'without --sec=munge or psk only loopback' <<<"$said" || fail "$said"

start_on A daemon "$tools/mitosisd" --socket "$dir/control.sock" --listen none \
	--sec munge --munge-socket "$dir/munge-A/socket" \
	--rdma="${address[A]}:7373" --ready-fd 3 3>ready
daemon=$pid
wait_for 60 test -s ready -o ! -e "/proc/$daemon"
[ -s ready ] || fail "mitosisd does not start"

install -d -o $nobody -g $nobody mnt
munge_of_b="sec=munge,munge_socket=$dir/munge-B/socket"

# refused WORDS SOURCE OPTIONS [AS...]: a mount on host B that is refused in words.
refused() {
	local words=$1 source=$2 options=$3 said status=0
	shift 3
	said=$(on B "$@" "$tools/mitosisfs" "${address[A]}:/$source" \
		"$dir/mnt" -o "proto=rdma,$options" 2>&1) || status=$?
	[ $status = 32 ] || fail "$words: $status, $said"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than one line: $said"
	grep -qF -- "$words" <<<"$said" || fail "not '$words' but: $said"
}
refused 'use sec=munge' "pid/$roots" sec=none
refused 'use sec=munge' "pid/$nobodys" sec=none "${as_nobody[@]}"
refused 'root of another host is nobody here' "pid/$roots" "$munge_of_b"
refused 'root of another host is nobody here' "pid/$nobodys" "$munge_of_b"
refused "user $nobody may not trace it" "pid/$roots" "$munge_of_b" \
	"${as_nobody[@]}"
refused 'same munge key' "pid/$roots" \
	"sec=munge,munge_socket=$dir/munge-stranger/socket"
[ "$("$tools/mitosisctl" --socket "$dir/control.sock" list --json |
	grep -c '"name"')" = 0 ] || fail "a refused client has made an image"

# An image of another user, whose name is known; and nothing of it was let out: no
# byte by message, no memory registered for anybody.
"$tools/mitosisctl" --socket "$dir/control.sock" prepare "$roots" --name theirs \
	>/dev/null
only='only its owner, root, or who has its key may'
refused "$only" image/theirs "$munge_of_b" "${as_nobody[@]}"
refused "$only" image/theirs "$munge_of_b"
refused 'use sec=munge' image/theirs sec=none
refused 'same munge key' image/theirs \
	"sec=munge,munge_socket=$dir/munge-stranger/socket"
"$tools/mitosisctl" --socket "$dir/control.sock" status --json >status.json
for count in rdma_reads rdma_read_bytes loans lent_pages; do
	grep -qE "\"$count\": *0\b" status.json ||
		fail "refused, and yet: $(grep $count status.json)"
done
! rdma resource show mr | grep "dev rxeA .* comm sleep" || fail "registered"

# What is one's own.
on B "${as_nobody[@]}" "$tools/mitosisfs" "${address[A]}:/pid/$nobodys" \
	"$dir/mnt" -o "proto=rdma,$munge_of_b"
fuse_connections+=("$("${as_nobody[@]}" mountpoint -d mnt | cut -d: -f2)")
"${as_nobody[@]}" grep -q '^transport: verbs (rxeB)$' mnt/status ||
	fail "$("${as_nobody[@]}" cat mnt/status)"
"${as_nobody[@]}" cmp mnt/image/exe "/proc/$nobodys/exe"
"${as_nobody[@]}" fusermount3 -u mnt
kill -TERM "$daemon"
expect_exit "$daemon" 0 mitosisd
