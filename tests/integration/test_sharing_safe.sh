#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_sharing_safe.sh - who may share a server, and what becomes of mounts when
# it, its image or its daemon goes
. "$(dirname "$0")/sharing.sh"

new_image img 1

# A server of its own has who must have one, and says why.
at img a cache_ttl=60
own() {
	local options=$1 words=$2
	at img b "$options"
	grep -qxF "sharing: no ($words)" b/status ||
		fail "$options: $(grep sharing b/status)"
	nr_seats 1 || fail "$options: it has a seat"
	umount b
	wait_for 30 nr_servers 1
}
own nosharecache nosharecache
own hard 'umount -f of one hard mount would cut all that share its server: say sharecache where that is wanted'
own auto_unmount 'auto_unmount knows of one mount only'
start front "$tools/mitosisfs" -f 127.0.0.1:/image/img b -o "port=$port,proto=tcp"
front=$pid
wait_for 10 mountpoint -q b
grep -q '^sharing: no (a server in the foreground' b/status || fail "-f is shared"
kill -TERM "$front"
expect_exit "$front" 0 "the server in the foreground"
at img b hard,sharecache
at img c hard,sharecache
is_of c mounts 2 || fail "hard,sharecache is not shared"
umount b
umount c
mkdir -p b
for wrong in "hard,cache_ttl=9" "nosharecache,cache_ttl=9" \
	"cache=off,cache_ttl=9" "auto_unmount,sharecache" "cache_ttl=x" \
	"cache_ttl=2592001"; do
	word=${wrong##*,}
	refused "${word%=*}" "$tools/mitosisfs" 127.0.0.1:/image/img b \
		-o "port=$port,$wrong"
	! mountpoint -q b || fail "$wrong was mounted"
done
refused cache_ttl "$tools/mitosisfs" "local:/pid/${parent_of[img]}" b -o cache_ttl=9
refused sharecache "$tools/mitosisfs" "127.0.0.1:/pid/${parent_of[img]}" b \
	-o "port=$port,sharecache"
end_servers

# SIGTERM: all its mounts go, whatever else is mounted where its first one was.
at img a
at img b
umount a
mount -t tmpfs tmpfs a
at img 'c d'
end_servers
! mountpoint -q b && ! mountpoint -q 'c d' || fail "SIGTERM leaves a mount"
mountpoint -q a || fail "somebody else's mount was taken away"
umount a

# Killed it leaves its socket, and mounts that say so; the next is not disturbed.
at img a
at img b
wait_for 30 nr_servers 1
kill -9 "$(servers)"
wait_for 30 nr_servers 0
nr_seats 1 || fail "no socket is left to try this with"
! ls b >/dev/null 2>&1 || fail "a dead mount answers"
umount a
umount b
at img a
at img b
is_of b mounts 2 || fail "not shared behind a dead server"
nr_seats 1 || fail "$(ls /run/mitosisfs) are left"
# Those of images that nobody will ever ask for again are taken away too.
kill -9 "$(servers)"
wait_for 30 nr_servers 0
umount a
umount b
new_image brief 7
at brief a
nr_seats 1 || fail "a dead server's socket stays: $(ls /run/mitosisfs)"
umount a
end_servers
at img a
at img b

# umount -f of one ends all; umount -l of one ends that one.
umount -l a
look img b
at img a
umount -f a
wait_for 30 nr_servers 0
! mountpoint -q b || fail "umount -f leaves dead mounts"

# A mount in another mount namespace keeps its server, with no mount here.
at img a cache_ttl=1
start apart unshare -m --propagation private bash -c '
	set -e
	"$1/mitosisfs" 127.0.0.1:/image/img b -o "port=$2,proto=tcp,cache_ttl=1"
	umount a
	echo ready
	while [ ! -e work/apart ]; do sleep 0.05; done
	python3 look.py b "$3" 1
	grep ^sharing b/status' - "$tools" "$port" "${base_of[img]}"
apart=$pid
wait_ready apart "$apart"
umount a
wait_for 30 nr_seats 0
wait_for 30 nr_servers 1
touch work/apart
expect_exit "$apart" 0 "the other namespace"
wait_for 30 nr_servers 0

# Nobody gets another user's image: not by the folder, ...
at img a cache_ttl=600
look img a
seat=$(ls /run/mitosisfs)
# What a mount says to a server, heard by one that stands in for it.
mv "/run/mitosisfs/$seat" /run/mitosisfs/aside
cat >hear.py <<'END'
import socket, sys
ear = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ear.bind(sys.argv[1])
ear.listen()
ear.settimeout(20)
print("ready", flush=True)
guest, _ = ear.accept()
open("request", "wb").write(guest.recv(4096))
END
start hear /usr/bin/python3 hear.py "/run/mitosisfs/$seat"
hear=$pid
wait_ready hear "$hear"
first=$(servers)
at img b cache_ttl=600
expect_exit "$hear" 0 "who stands in for a server"
wait_for 30 nr_servers 2
is_of b mounts 1 || fail "what is no server was joined"
umount b
kill -TERM "$(servers | grep -vxF "$first")"
wait_for 30 nr_servers 1
mv /run/mitosisfs/aside "/run/mitosisfs/$seat"
look img a
cat >ask.py <<'END'
import array, os, socket, sys
path, uid = sys.argv[1], int(sys.argv[2])
request = open("request", "rb").read()
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.settimeout(10)
try:
    link.connect(path)
    link.send(request[:int(sys.argv[3])] if len(sys.argv) > 3 else request)
    data, control, _, _ = link.recvmsg(4096, socket.CMSG_SPACE(64))
except OSError as error:
    print("cannot", error.strerror)
    sys.exit()
fds = array.array("i")
for level, kind, bytes_ in control:
    fds.frombytes(bytes_[:len(bytes_) // 4 * 4])
print("bytes", len(data), "mounts", len(fds),
      os.path.exists("/proc/self/fd/%d/image/maps" % fds[0]) if fds else "")
END
ask() {
	/usr/bin/python3 ask.py "/run/mitosisfs/$seat" "$@"
}
grep -qxF "$(ask 0)" <<<'bytes 16 mounts 1 True' || fail "root: $(ask 0)"
grep -q '^cannot Permission denied' <<<"$(ask 65534)" || fail "nobody: $(ask 65534)"
# ... not by the socket, ...
chmod 711 /run/mitosisfs
chmod 666 "/run/mitosisfs/$seat"
grep -qE '^bytes 0 mounts 0|^cannot (Connection reset|Broken pipe)' \
	<<<"$(ask 65534)" || fail "nobody, let in: $(ask 65534)"
grep -qxF "$(ask 0)" <<<'bytes 16 mounts 1 True' || fail "root again: $(ask 0)"
# ... and no server trusts a folder that others may enter.
at img b cache_ttl=600
grep -q '^sharing: no (/run/mitosisfs: it must belong to root.* of its own)' b/status || fail "$(grep sharing b/status)"
umount b
chmod 700 /run/mitosisfs
# What is not a request, whole, is cut.
for length in 1 8 100; do
	grep -q '^bytes 0 mounts 0' <<<"$(ask 0 $length)" ||
		fail "$length bytes: $(ask 0 $length)"
done
look img a

# An image that is released is not kept, though its time is not over.
umount a
wait_for 30 nr_servers 1
sleep 1.5
nr_seats 1 || fail "cache_ttl is not kept"
ctl release img >/dev/null
wait_for 30 nr_servers 0
nr_seats 0 || fail "a released image has a seat"

# Also when its pages are in a store of this host, and answer without it.
new_image img 5
at img a "cache_ttl=600,cache=stash,stash=$dir/stash"
look img a
umount a
wait_for 30 nr_servers 1
sleep 1.5
nr_seats 1 || fail "cache_ttl is not kept, with a stash"
ctl release img >/dev/null
wait_for 30 nr_servers 0

# Nor one whose daemon is gone.
new_image other 2
at other a cache_ttl=600,timeo=5,retrans=0
look other a
umount a
stop_daemon
wait_for 30 nr_servers 0

# A daemon that was started anew has another image by that name.
start_daemon
new_image other 3
at other a cache_ttl=600
look other a
daemon_port=$port
kill -9 "$daemon"
wait "$daemon" || true
quiet() {
	! (exec 3<>"/dev/tcp/127.0.0.1/$daemon_port") 2>/dev/null
}
wait_for 10 quiet
start_daemon --listen "127.0.0.1:$daemon_port" || fail "no second daemon"
port=$daemon_port
new_image other 4
at other b cache_ttl=600
look other b
end_servers

touch work/go work/end
stop_daemon
wait_for 30 nr_servers 0
expect_nothing_left
