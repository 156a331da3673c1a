#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_full.sh - what keeps a mount from its daemon for a while is not the end of the
# image: a daemon that is full, and a host whose name does not resolve
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load mitosisd mitosisctl
need_programs nsenter unshare

mkdir "$mnt" work one two
start parent "$zoo/zoo_lazy" "$dir/work"
parent=$pid
wait_ready parent "$parent"
start_daemon --max-clients 2
ctl prepare "$parent" --name kept >/dev/null
start relay /usr/bin/python3 "$here/relay.py" "$port"
relay=$pid
wait_ready relay "$relay"
read -r relay_port <relay.out

said_by_relay() {
	has_line relay.out "$1"
}
state_is() {
	grep -q "^state: $1" "$mnt/status"
}
turned_away() {
	grep -q '2 clients are connected already' mitosisd-1.out
}
is_there() {
	ctl list | grep -q "^$1 "
}
is_gone() {
	! is_there "$1"
}

# 1. Full.  The relay cuts the mount's connection, and others take both places.
"$tools/mitosisfs" -f 127.0.0.1:/image/kept "$mnt" 2>log.err \
	-o "port=$relay_port,proto=tcp,hard,timeo=10" &
foreground=$!
wait_for 20 mountpoint -q "$mnt"
note_connection "$(mountpoint -d "$mnt")"
area=$(ls -S "$mnt"/image/vma/* | head -1)
load_child tcp-shared child
kill -USR1 "$relay"
wait_for 20 said_by_relay cut
others=()
for at in one two; do
	"$tools/mitosisfs" -f 127.0.0.1:/image/kept "$dir/$at" \
		-o "port=$port,proto=tcp,nosharecache" &
	others+=($!)
	wait_for 20 mountpoint -q "$dir/$at"
	note_connection "$(mountpoint -d "$dir/$at")"
done
cat "$dir/one/image/vma/${area##*/}" >whole
! turned_away || fail "it was full too early"

mib=$((1 << 20))
dd if="$area" of=page bs=4096 count=1 iflag=skip_bytes skip=$mib status=none &
reader=$!
touch work/go
expect_ok parent "$parent"
kill -USR2 "$relay"
wait_for 20 said_by_relay open
wait_for 30 turned_away
wait_for 20 grep -q 'no way back to the image yet: 2 clients are' log.err
wait_for 20 state_is waiting
kill -0 "$reader" || fail "the reader did not wait"
kill -0 "$loader" || fail "the child did not wait"
umount "$dir/one"
expect_exit "$reader" 0 "the reader"
cmp page <(tail -c +$((mib + 1)) whole | head -c 4096) || fail "wrong bytes"
expect_ok child "$loader"
wait_for 20 state_is ready
[ "$(grep -c 'no way back' log.err)" = 1 ] || fail "the log: $(cat log.err)"
umount "$mnt"
umount "$dir/two"
for pid in "$foreground" "${others[@]}"; do
	expect_exit "$pid" 0 mitosisfs
done
kill "$relay"
stop_daemon

# 2. Full, and none is lost: leases are renewed over connections of their own, three
# times each, but more often where that fails.
start sleeper sleep 1000
parent=$pid
start_daemon --max-clients 2
ctl prepare "$parent" --name kept --lease 30s >/dev/null
for at in one two; do
	"$tools/mitosisfs" 127.0.0.1:/image/kept "$dir/$at" \
		-o "port=$port,proto=tcp,nosharecache"
	note_connection "$(mountpoint -d "$dir/$at")"
done
tried_often() {
	[ "$(grep -c '2 clients are connected already' mitosisd-2.out)" -gt 6 ]
}
wait_for 40 tried_often
! grep -q 'image kept .* ended' mitosisd-2.out || fail "they tried too late"
umount "$dir/one"
wait_for 20 is_there kept
umount "$dir/two"
stop_daemon

# 3. No such host, says the name service, which forgets it while the image lives.
start_daemon
ctl prepare "$parent" --name kept --lease 6s >/dev/null
echo "127.0.0.1 the-parents-host" >hosts
echo "hosts: files" >names.conf
cat >inside.sh <<END
mount --bind "$dir/hosts" /etc/hosts
mount --bind "$dir/names.conf" /etc/nsswitch.conf
exec "$tools/mitosisfs" -f the-parents-host:/image/kept "$mnt" \
	-o "port=$port,proto=tcp,nosharecache,stash=$dir/stash"
END

# mount_inside NAME: where only hosts tells names; sets $server and $inside.
mount_inside() {
	start "$1" unshare -m bash inside.sh
	server=$pid
	inside=(nsenter -m -t "$server" --)
	wait_for 20 is_mounted
	note_connection "$("${inside[@]}" mountpoint -d "$mnt")"
}
is_mounted() {
	"${inside[@]}" mountpoint -q "$mnt" 2>/dev/null
}
says_gone() {
	"${inside[@]}" grep -q '^state: gone' "$mnt/status"
}
stashes() {
	find stash -name '*.stash' | wc -l
}

mount_inside first
[ "$(stashes)" = 1 ] || fail "$(stashes) stashes"
: >hosts
ctl prepare "$parent" --name left --lease 9s >/dev/null
renew_until_left_is_gone() {
	ctl renew kept >/dev/null
	is_gone left
}
wait_for 30 renew_until_left_is_gone
! says_gone || fail "status says gone of an image that lives"
"${inside[@]}" umount "$mnt"
expect_exit "$server" 0 mitosisfs
[ "$(stashes)" = 1 ] || fail "the stash of an image that lives is gone"

# What the daemon itself says counts.
echo "127.0.0.1 the-parents-host" >hosts
mount_inside second
ctl release kept
wait_for 30 says_gone
"${inside[@]}" umount "$mnt"
expect_exit "$server" 0 mitosisfs
[ "$(stashes)" = 0 ] || fail "the stash of a released image is left"

kill "$parent"
stop_daemon
expect_nothing_left
