#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_munge.sh - clients of another host: who they are says munge, what they may
# the kernel; refusals seen from outside, with nothing of an image in them
LIMIT=200
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs
need_programs munged munge ip setpriv nsenter unshare fusermount3
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip "no python3-numpy"
"$tools/mitosisd" --sec munge --version >/dev/null 2>&1 ||
	skip "built without libmunge"
export PYTHONDONTWRITEBYTECODE=1

mib=2
socket=$dir/run/control.sock
. "$here/hosts.sh"
hosts_up
munge_on a 1 && munged_a=$munged
munge_on b 1
munge_on stranger 2

# boot NAME [OPTIONS]: mitosisd on host A; sets $daemon, $port, $port_inside.
boot() {
	local name=$1
	shift
	"${on_a[@]}" "$tools/mitosisd" --socket "$socket" --sec munge \
		--munge-socket "$dir/munge-a/socket" --listen $server:0 \
		--listen 127.0.0.1:0 --ready-fd 3 "$@" 3>"$dir/$name.ready" \
		>"$dir/$name.out" 2>&1 &
	daemon=$!
	wait_for 20 test -s "$dir/$name.ready" -o ! -e "/proc/$daemon"
	port=$(grep -oP "tcp:$server:\\K\\d+" "$dir/$name.ready")
	port_inside=$(grep -oP 'tcp:127\.0\.0\.1:\K\d+' "$dir/$name.ready")
}

# remote USER COMMAND...: mitosisctl on host B.  Entering a namespace takes root,
# so users are made there.
remote() {
	local user=$1
	shift
	"${on_b[@]}" setpriv --reuid "$user" --regid "$user" --clear-groups \
		"$tools/mitosisctl" --host $server --port "$port" --sec munge \
		--munge-socket "$dir/munge-b/socket" "$@"
}

# look USER WHAT...: munge_client.py on host B.
look() {
	local user=$1
	shift
	"${on_b[@]}" setpriv --reuid "$user" --regid "$user" --clear-groups \
		/usr/bin/python3 "$here/munge_client.py" $server "$port" \
		"$dir/munge-b/socket" "$@" || fail "as $user: $*"
}

# A process each of nobody, of another user and of root.
nobody=65534
other=1
zeros=00000000000000000000000000000000
declare -A pids addrs
for user in $nobody $other 0; do
	start "parent$user" setpriv --reuid "$user" --regid "$user" \
		--clear-groups /usr/bin/python3 "$here/patterned.py" "$user" $mib
	pids[$user]=$pid
done
for user in $nobody $other 0; do
	wait_ready "parent$user" "${pids[$user]}"
	addrs[$user]=$(sed -n 's/^area //p' "$dir/parent$user.out")
done

# Without --sec nobody outside is served.
refused "without --sec=munge or psk only loopback and the unix socket are served" \
	"${on_a[@]}" "$tools/mitosisd" --socket none --listen $server
boot one

# A remote user has what is its own...
remote $nobody prepare --name mine "${pids[$nobody]}" | grep -q '^mine: paused'
look $nobody reads mine $zeros "${addrs[$nobody]}" $nobody $mib
remote $nobody renew mine
remote $nobody list --json | grep -q '"mine"'
# ...and nothing else: not another's process, and not another's image.
refused "pid ${pids[$other]}: " remote $nobody prepare "${pids[$other]}"
refused "pid ${pids[0]}: " remote $nobody prepare "${pids[0]}"
key=$(ctl prepare --json --name roots "${pids[0]}" | key_of)
look $nobody cannot-open roots $zeros
look $nobody cannot-open roots ${key:0:30}00
look $other cannot-open mine $zeros
refused "only its owner, root, or who has its key" remote $other release mine

# Whoever shows the key may.
look $other reads roots "$key" "${addrs[0]}" 0 $mib

# Root of another host is nobody, but for keys.
refused "root of another host is nobody here" \
	remote 0 prepare "${pids[0]}"
refused "root of another host is nobody here" \
	remote 0 prepare "${pids[$nobody]}"
look 0 cannot-open roots $zeros
look 0 cannot-open mine $zeros
look 0 reads roots "$key" "${addrs[0]}" 0 $mib
[ "$(remote 0 list --json | grep -c '"name"')" = 0 ] ||
	fail "root of another host sees images"

# No credential, an old one, one for somebody else, a wrong key, noise.
look $nobody unsaid
look 0 unsaid
refused "use sec=munge" "${on_b[@]}" "$tools/mitosisctl" --host $server \
	--port "$port" status
look $nobody replay
look $nobody forwarded 10.73.0.9:7373
look $nobody forwarded "$server:1"
look $nobody cut
refused "do both hosts have the same munge key?" "${on_b[@]}" \
	"$tools/mitosisctl" --host $server --port "$port" --sec munge \
	--munge-socket "$dir/munge-stranger/socket" list
refused "is munged running on this host?" "${on_b[@]}" \
	"$tools/mitosisctl" --host $server --port "$port" --sec munge \
	--munge-socket "$dir/nothing" list

# Inside its host all is as ever: the kernel knows.
inside=("${on_a[@]}" setpriv --reuid $nobody --regid $nobody --clear-groups
	"$tools/mitosisctl" --host 127.0.0.1 --port "$port_inside")
"${inside[@]}" renew mine || fail "the owner is not known inside its host"
refused "only its owner, root, or who has its key" "${inside[@]}" renew roots
"${on_a[@]}" "$tools/mitosisctl" --host 127.0.0.1 --port "$port_inside" \
	renew roots || fail "root is not known inside its host"
ctl renew roots || fail "root is not known on the unix socket"

# A mount on the other host, by the user, with the page's own bytes.
install -d -o $nobody -g $nobody "$dir/mnt"
"${on_b[@]}" setpriv --reuid $nobody --regid $nobody --clear-groups \
	"$tools/mitosisfs" "$server:/pid/${pids[$nobody]}" "$dir/mnt" \
	-o "port=$port,sec=munge,munge_socket=$dir/munge-b/socket"
note_connection "$(as $nobody mountpoint -d "$dir/mnt")"
as $nobody /usr/bin/python3 - "$here" "$dir/mnt/image/vma" \
	"${addrs[$nobody]}" $nobody $mib <<'END'
import os, sys
sys.path.insert(0, sys.argv[1])
from patterned import pattern
vma, addr, seed, size = sys.argv[2], *map(int, sys.argv[3:5]), \
    int(sys.argv[5]) << 20
for name in os.listdir(vma):
    start, _, end = name.partition("-")
    if not end or not int(start, 16) <= addr < int(end, 16):
        continue
    with open(os.path.join(vma, name), "rb") as area:
        area.seek(addr - int(start, 16))
        assert area.read(size) == pattern(seed, size).tobytes(), "wrong bytes"
    sys.exit(0)
sys.exit("no such area")
END
as $nobody fusermount3 -u "$dir/mnt"
refused "root of another host is nobody here" "${on_b[@]}" \
	"$tools/mitosisfs" "$server:/pid/${pids[$nobody]}" "$dir/mnt" \
	-o "port=$port,sec=munge,munge_socket=$dir/munge-b/socket"

# A munged that hangs takes its own clients down, not the daemon.
kill -STOP "$munged_a"
refused "munged does not answer" remote $nobody list
ctl renew roots || fail "the daemon hangs with its munged"
kill -CONT "$munged_a"
wait_for 30 remote $nobody renew mine
kill -TERM "$daemon"
expect_exit "$daemon" 0 mitosisd

# Where the owner of the host wants it, remote root is root.
boot two --no-root-squash
remote 0 prepare --name any "${pids[$nobody]}" | grep -q '^any: paused'
look 0 reads any $zeros "${addrs[$nobody]}" $nobody $mib
kill -TERM "$daemon"
expect_exit "$daemon" 0 mitosisd

for pid in "${pids[@]}" $(jobs -p); do
	kill "$pid" 2>/dev/null || true
done
expect_nothing_left
echo ok
