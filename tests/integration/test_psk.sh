#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_psk.sh - sec=psk between two hosts: what is encrypted, who is turned away and
# with which words at each end; what each kind of client may do is in
# test_who_may.sh
LIMIT=200
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs
need_programs psktool openssl gnutls-cli fusermount3
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip "no python3-numpy"
"$tools/mitosisd" --sec psk --version >/dev/null 2>&1 ||
	skip "built without GnuTLS"
export PYTHONDONTWRITEBYTECODE=1
. "$here/hosts.sh"
hosts_up

mib=2
socket=$dir/run/control.sock
nobody=65534
name=$(id -un $nobody)
keys "$dir/keys" 0 "$name" root
install -m 600 -o $nobody "$dir/keys" "$dir/nobodys"
keys "$dir/wrong" $nobody "$name"

# boot NAME OPTIONS...: mitosisd on host A; sets $daemon, $port.
boot() {
	local name=$1
	shift
	"${on_a[@]}" "$tools/mitosisd" --socket "$socket" --ready-fd 3 "$@" \
		3>"$dir/$name.ready" >"$dir/$name.out" 2>&1 &
	daemon=$!
	wait_for 20 test -s "$dir/$name.ready" -o ! -e "/proc/$daemon"
	port=$(grep -oP "tcp:[\\d.]+:\\K\\d+" "$dir/$name.ready")
}

stop() {
	kill -TERM "$daemon"
	expect_exit "$daemon" 0 mitosisd
}

# remote USER COMMAND...: mitosisctl on host B.
remote() {
	local user=$1
	shift
	"${on_b[@]}" setpriv --reuid "$user" --regid "$user" --clear-groups \
		"$tools/mitosisctl" --host $server --port "$port" "$@"
}

by_key=(--sec psk --psk-file "$dir/nobodys")

# Bytes of images that the daemon has served, ever.
bytes_served() {
	"$tools/mitosisctl" --socket "$socket" status --json |
		/usr/bin/python3 -c 'import json, sys
print(json.load(sys.stdin)["read_bytes"])'
}

# turned_away WORDS COMMAND...: refused, and next to nothing came over the wire.
turned_away() {
	local served before after
	served=$(bytes_served)
	before=$(bytes_to "$host_b")
	refused "$@"
	after=$(bytes_to "$host_b")
	[ $((after - before)) -lt 8192 ] ||
		fail "$((after - before)) bytes came with a refusal: $*"
	[ "$(bytes_served)" = "$served" ] || fail "bytes were served: $*"
}

start parent setpriv --reuid $nobody --regid $nobody --clear-groups \
	/usr/bin/python3 "$here/patterned.py" 7 $mib
parent=$pid
wait_ready parent "$parent"
addr=$(sed -n 's/^area //p' "$dir/parent.out")

# A daemon does not start with a key file that is none, or that others can read.
starts_with=("${on_a[@]}" "$tools/mitosisd" --socket none --listen $server
	--sec psk --psk-file)
refused "cannot be read: No such file" "${starts_with[@]}" "$dir/nowhere"
refused "belongs to somebody else" "${starts_with[@]}" "$dir/nobodys"
for mode in 640 604 620 602; do
	install -m $mode "$dir/keys" "$dir/open"
	refused "can be read or changed by others: chmod 600" \
		"${starts_with[@]}" "$dir/open"
done
install -m 600 /dev/null "$dir/empty"
refused "has no key in it" "${starts_with[@]}" "$dir/empty"
echo "$name:0123" >"$dir/empty"
refused "no NAME:KEY in line 1" "${starts_with[@]}" "$dir/empty"
refused "what goes over RDMA is not inside TLS" "${starts_with[@]}" \
	"$dir/keys" --rdma
refused "a key file is given, and sec=munge uses none" "$tools/mitosisd" \
	--socket none --sec munge --psk-file "$dir/keys"

boot psk --sec psk --psk-file "$dir/keys" --listen $server:0
remote $nobody "${by_key[@]}" prepare --name mine "$parent" |
	grep -q '^mine: paused'
remote $nobody "${by_key[@]}" ls | grep -q '^mine '

# What a client finds out before it has said a word.
refused "cannot be read: Permission denied" \
	remote $nobody --sec psk --psk-file "$dir/keys" list
refused "belongs to somebody else" \
	remote 0 --sec psk --psk-file "$dir/nobodys" --psk-user "$name" list
refused "has no key of the name bin" \
	remote $nobody "${by_key[@]}" --psk-user bin list
chmod 644 "$dir/nobodys"
refused "chmod 600" remote $nobody "${by_key[@]}" list
chmod 600 "$dir/nobodys"

# The wrong key, and none: one line at each end, and no byte of the image.
mount_by() {
	"${on_b[@]}" setpriv --reuid $nobody --regid $nobody --clear-groups \
		"$tools/mitosisfs" "$server:/image/mine" "$dir/mnt" \
		-o "port=$port,$1"
}
install -d -o $nobody -g $nobody "$dir/mnt"
turned_away "has not got this key for the name $name" \
	remote $nobody --sec psk --psk-file "$dir/wrong" list
turned_away "has not got this key for the name $name" \
	mount_by "sec=psk,psk_file=$dir/wrong"
turned_away "use sec=psk" remote $nobody list
turned_away "use sec=psk" mount_by "proto=tcp"
turned_away "not inside TLS; use proto=tcp" \
	mount_by "proto=rdma,sec=psk,psk_file=$dir/nobodys"
grep -q "turned away 10\.73\.0\.2:[0-9]*: no such name, or not by this key: $name" \
	"$dir/psk.out" || fail "the log does not tell of a wrong key"
grep -q "turned away 10\.73\.0\.2:[0-9]*: who connects over a network has to say" \
	"$dir/psk.out" || fail "the log does not tell of a plain client"

# no_tls WORDS COMMAND...: another client's handshake fails, and nothing came.
no_tls() {
	local words=$1 said
	shift
	said=$(timeout 20 "${on_b[@]}" "$@" </dev/null 2>&1) &&
		fail "let in: $*"
	grep -qiE -- "$words" <<<"$said" || fail "not '$words' but: $said"
}
a_key=$(sed -n "s/^$name://p" "$dir/keys")
client=(openssl s_client -connect "$server:$port" -psk_identity "$name"
	-psk "$a_key")
# With the right key, and yet: an older version; no key; no ephemeral exchange.
no_tls 'alert protocol version|alert handshake failure' "${client[@]}" -tls1_2
no_tls 'alert' openssl s_client -connect "$server:$port" -tls1_3
no_tls 'Fatal error' gnutls-cli --port "$port" $server --insecure
no_tls 'Fatal error' gnutls-cli --port "$port" $server --pskusername "$name" \
	--pskkey "$a_key" --priority 'NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+PSK'
# As it should be: a client of another implementation is in, without a ticket.
said=$(sleep 1 | timeout 20 "${on_b[@]}" "${client[@]}" -tls1_3 \
	-ciphersuites TLS_AES_128_GCM_SHA256 2>&1) || true
grep -q 'TLSv1.3' <<<"$said" && grep -q 'Verification: OK' <<<"$said" ||
	fail "openssl is not let in: $said"
if grep -q 'New Session Ticket' <<<"$said"; then
	fail "tickets are given: $said"
fi

# sniff DEVICE HOST COMMAND...: sets $seen, how many pages of the image are seen on
# the wire while it runs.
sniffs=0
sniff() {
	local device=$1 on=$2 sniffer name=sniff$((++sniffs))
	shift 2
	start "$name" nsenter --net="/proc/$on/ns/net" /usr/bin/python3 \
		"$here/sniff.py" "$device" 7 $mib
	sniffer=$pid
	wait_ready "$name" "$sniffer"
	"$@"
	kill -TERM "$sniffer"
	expect_exit "$sniffer" 0 "the sniffer"
	wait "${reader_of[$name]}" || true
	read -r _ heard seen < <(grep heard "$dir/$name.out")
	[ "$heard" -gt $((mib << 20)) ] || fail "$heard bytes were heard"
}

# The area of the mounted image, byte for byte.
area_is_right() {
	as $nobody /usr/bin/python3 - "$here" "$dir/mnt/image/mem" "$addr" 7 \
		$mib <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from patterned import pattern
addr, seed, size = *map(int, sys.argv[3:5]), int(sys.argv[5]) << 20
with open(sys.argv[2], "rb") as memory:
    memory.seek(addr)
    assert memory.read(size) == pattern(seed, size).tobytes(), "wrong bytes"
END
}

by_mount() {
	mount_by "$1"
	note_connection "$(as $nobody mountpoint -d "$dir/mnt")"
	area_is_right
	as $nobody cat "$dir/mnt/status" >"$dir/status"
	as $nobody fusermount3 -u "$dir/mnt"
}

# A mount by a user: all is right, and nothing of it is seen on the way.
sniff veth0 "$host_b" by_mount "sec=psk,psk_file=$dir/nobodys"
[ "$seen" = 0 ] || fail "$seen pages were seen on the wire"
grep -q '^transport: tcp (why: sec=psk: what goes over RDMA is not inside TLS)' \
	"$dir/status" || fail "status does not say why it is tcp"

# A connection that is cut is made anew, by the key again.
mount_by "sec=psk,psk_file=$dir/nobodys"
note_connection "$(as $nobody mountpoint -d "$dir/mnt")"
cut=$("${on_b[@]}" ss -HKtn state established "dport = :$port" | wc -l)
area_is_right
[ "$(as $nobody sed -n 's/^reconnects: //p' "$dir/mnt/status")" = "$cut" ] ||
	fail "no new connection came for $cut that were cut"
as $nobody fusermount3 -u "$dir/mnt"

# A line that is taken out lets nobody in; who is in stays in.
mount_by "sec=psk,psk_file=$dir/nobodys"
note_connection "$(as $nobody mountpoint -d "$dir/mnt")"
cp "$dir/keys" "$dir/all"
sed -i "/^$name:/d" "$dir/keys"
turned_away "has not got this key" remote $nobody "${by_key[@]}" list
area_is_right
as $nobody fusermount3 -u "$dir/mnt"
# So does a file that became readable, and the log says why.
cat "$dir/all" >"$dir/keys"
chmod 644 "$dir/keys"
sleep 1.1 # the log has room again
turned_away "has not got this key" remote $nobody "${by_key[@]}" list
grep -q 'turned away .*chmod 600' "$dir/psk.out" ||
	fail "the log does not tell of the file's mode"
chmod 600 "$dir/keys"
remote $nobody "${by_key[@]}" release mine
stop

# What the sniffer would have seen without TLS.
boot plain --listen 127.0.0.1:0
by_plain_mount() {
	"${on_a[@]}" setpriv --reuid $nobody --regid $nobody --clear-groups \
		"$tools/mitosisfs" "127.0.0.1:/pid/$parent" "$dir/mnt" \
		-o "port=$port"
	note_connection "$(as $nobody mountpoint -d "$dir/mnt")"
	area_is_right
	as $nobody fusermount3 -u "$dir/mnt"
}
sniff lo "$host_a" by_plain_mount
[ "$seen" -gt $((mib * 200)) ] || fail "the sniffer saw $seen pages only"

# The ends do not agree: a client never gets less than it wants.
inside=("${on_a[@]}" "$tools/mitosisctl" --host 127.0.0.1 --port "$port"
	--sec psk --psk-file "$dir/keys")
refused "speaks no TLS: it runs without --sec=psk" "${inside[@]}" status
wait_for 10 grep -q 'turned away 127.0.0.1:[0-9]*: wants TLS' "$dir/plain.out"
# On the unix socket, too.
refused "speaks no TLS: it runs without --sec=psk" "$tools/mitosisctl" \
	--socket "$socket" --sec psk --psk-file "$dir/keys" status
stop

# Who says to be the daemon, and has another key, hears nothing of the client.
port=7999
impostor() {
	"${on_a[@]}" openssl s_server -accept $server:$port -quiet "$@" \
		>"$dir/impostor.heard" 2>/dev/null &
	pid=$!
	wait_for 20 listening
}
listening() {
	"${on_a[@]}" ss -ltn "sport = :$port" | grep -q ":$port"
}
other_key=$(sed -n "s/^$name://p" "$dir/wrong")
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 9 \
	-keyout "$dir/cert.key" -out "$dir/cert" 2>/dev/null
for of in "-nocert -psk $other_key -psk_identity $name" \
	"-cert $dir/cert -key $dir/cert.key"; do
	# shellcheck disable=SC2086
	impostor $of
	refused "TLS: " remote $nobody "${by_key[@]}" list
	kill "$pid"
	wait "$pid" || true
	[ ! -s "$dir/impostor.heard" ] || fail "the impostor heard something"
done

for pid in "$parent" $(jobs -p); do
	kill "$pid" 2>/dev/null || true
done
expect_nothing_left
echo ok
