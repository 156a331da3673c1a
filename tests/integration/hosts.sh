# SPDX-License-Identifier: MIT
# hosts.sh - two hosts, A ($server) and B, for tests of clients that come over a
# network; source it after lib.sh.
#
# A host is a network namespace that ends with the process that holds it.
need_programs ip setpriv nsenter unshare

server=10.73.0.1

host() {
	unshare --net sleep 1000 >/dev/null &
	pid=$!
	wait_for 10 another_net "$pid"
}

another_net() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# Sets on_a and on_b, which run a command there.
hosts_up() {
	local on
	host && host_a=$pid
	host && host_b=$pid
	ip link add veth0 netns "$host_a" type veth peer name veth0 \
		netns "$host_b" || skip "the kernel has no veth"
	on_a=(nsenter --net="/proc/$host_a/ns/net")
	on_b=(nsenter --net="/proc/$host_b/ns/net")
	"${on_a[@]}" ip addr add $server/24 dev veth0
	"${on_b[@]}" ip addr add 10.73.0.2/24 dev veth0
	for on in "$host_a" "$host_b"; do
		nsenter --net="/proc/$on/ns/net" ip link set lo up
		nsenter --net="/proc/$on/ns/net" ip link set veth0 up
	done
}

# munge_on NAME KEY: a munged for a host, with its own idea of what it has seen.
munge_on() {
	local here=$dir/munge-$1
	mkdir -p "$here"
	(umask 077 && printf "%064d" "$2" >"$here/key")
	munged --foreground --socket "$here/socket" --key-file "$here/key" \
		--log-file "$here/log" --pid-file "$here/pid" \
		--seed-file "$here/seed" >"$dir/munged-$1.out" 2>&1 &
	munged=$!
	wait_for 20 test -S "$here/socket" -o ! -e "/proc/$munged"
	[ -S "$here/socket" ] || fail "munged does not start"
}

# keys FILE OWNER NAME...: a key file, mode 0600, with new keys of users.
keys() {
	local file=$1 owner=$2 name
	shift 2
	for name; do
		psktool -u "$name" -p "$file" >/dev/null 2>&1 ||
			fail "psktool makes no key"
	done
	chmod 600 "$file"
	chown "$owner" "$file"
}

# Entering a namespace takes root, so users are made there.
as() {
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --clear-groups -- "$@"
}

key_of() {
	/usr/bin/python3 -c 'import json, sys
print(json.load(sys.stdin)["key"])'
}

# What came over the network to a host, bytes: bytes_to PID-OF-HOST.
bytes_to() {
	awk '$1 == "veth0:" { print $2 }' "/proc/$1/net/dev"
}
