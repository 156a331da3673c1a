#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tls.sh [ROUNDS] - what sec=psk costs, beside plain TCP and a pair of openssl(1), as
# Markdown on stdout
#
# BUILD names the build folder (build).  CPU time is that of both ends together,
# which other work on the machine disturbs least.  Needs openssl and psktool.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3}
bench=$PWD/${BUILD:-build}/tools/mitosis-bench
port=7399
gib=2
export LC_ALL=C
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
(umask 077 && psktool -u "$(id -un)" -p "$dir/keys" >/dev/null 2>&1)
key=$(cut -d: -f2 "$dir/keys")
secret=(-quiet -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -psk "$key"
	-psk_identity "$(id -un)")

# spent COMMAND...: appends user and system seconds to a file.
spent() {
	local TIMEFORMAT='%U %S'
	{ time "$@" >/dev/null 2>&1; } 2>>"$dir/spent"
}

# s_server does not always notice the end of its input: the pair is ended a second
# after the last byte was taken.  Nor does it always begin: then it fails.
openssl_run() {
	local head server client status=0
	timeout 120 head -c ${gib}G /dev/zero >"$dir/zeros" &
	head=$!
	openssl s_server "${secret[@]}" -nocert -naccept 1 \
		-accept 127.0.0.1:$port <"$dir/zeros" &
	server=$!
	sleep 1
	openssl s_client "${secret[@]}" -connect 127.0.0.1:$port </dev/null &
	client=$!
	wait $head || status=1
	sleep 1
	kill $client $server 2>/dev/null || true
	wait $client $server || true
	return $status
}

openssl_pair() {
	rm -f "$dir/zeros"
	mkfifo "$dir/zeros"
	for _ in 1 2 3 4 5; do
		spent openssl_run && return
		: >"$dir/spent"
	done
	echo "openssl's ends do not find each other" >&2
	return 1
}

pages() {
	spent "$bench" transport --no-rival --clients 0 --sizes 1M --depths 16 \
		--rounds $((gib * 4)) --reads 256 --most 256 "$@"
}

# bulk NAME COMMAND...: a row; the median round by its CPU time.
bulk() {
	local name=$1 round
	shift
	for round in $(seq "$rounds"); do
		: >"$dir/spent"
		"$@"
		awk -v gib=$gib '{ print ($1 + $2) / gib }' "$dir/spent"
	done | sort -n | awk -v name="$name" '{ cpu[NR] = $1 }
		END { printf "| %s | %.2f |\n", name, cpu[int((NR + 1) / 2)] }'
}

# one NAME OPTIONS...: a row of lone reads, the least and the median of the rounds.
one() {
	local name=$1
	shift
	"$bench" transport --no-rival --clients 0 --sizes 4k,64k --depths 1 \
		--rounds $((rounds * 3)) "$@" |
		awk -v name="$name" '/^bandwidth/ { exit }
			$2 == "KiB" && $3 == 1 { row = row " | " $4 " | " $6 }
			END { print "| " name row " |" }'
}

psk=(--sec psk --psk-file "$dir/keys")
cat <<END
# sec=psk, over loopback

Both ends on one machine, $gib GiB in reads of 1 MiB, 16 at a time; the median of
$rounds rounds. openssl is s_server and s_client with the same key and cipher, from
/dev/zero to /dev/null.

| | CPU seconds for a GiB, both ends |
|---|---|
END
bulk 'plain' pages
bulk 'sec=psk' pages "${psk[@]}"
bulk 'openssl' openssl_pair
cat <<END

Lone reads, us:

| | 4 KiB, least | median | 64 KiB, least | median |
|---|---|---|---|---|
END
one 'plain'
one 'sec=psk' "${psk[@]}"
