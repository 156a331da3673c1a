#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mitosis-bench transport measures all its cells, its rivals too, and reads right
# pages; it leaves nothing behind.  No figure is looked at.
. "$(dirname "$0")/lib.sh"
need_tools mitosis-bench mitosisd mitosis-bench-parent

bench=$tools/mitosis-bench
few=(--rounds 2 --reads 20 --most 4 --heap 8 --sizes 4k,128k,1M --depths 1,32)

# expect_cells FILE WHO...: all six cells are there, once for us, once for a rival.
expect_cells() {
	/usr/bin/python3 - "$@" <<-'END' || fail "$1 lacks something"
	import json, sys
	lines = [json.loads(line) for line in open(sys.argv[1])]
	for who in ("mitosisfs", "rival"):
	    cells = {(c["size_bytes"], c["depth"]): c for c in lines
	             if c["benchmark"] == "transport"
	             and (c["who"] == "mitosisfs") == (who == "mitosisfs")}
	    assert set(cells) == {(size, depth) for depth in (1, 32)
	                          for size in (4096, 131072, 1048576)}, cells
	    for cell in cells.values():
	        assert cell["rounds"] == 2 and cell["reads"] >= 5
	        assert 0 < cell["bytes_per_s"]["min"]
	        assert cell["depth"] > 1 or 0 < cell["least_ns"]["min"]
	rivals = {c["who"] for c in lines} - {"mitosisfs"}
	assert rivals == set(sys.argv[2:]), rivals
	END
}

# By itself, over loopback and in one process.
"$bench" transport "${few[@]}" --json >tcp.out
expect_cells tcp.out echo stream
"$bench" transport "${few[@]}" --proto local --json >local.out
expect_cells local.out process_vm_readv

# In two roles, and for people.
start server "$bench" transport --server --listen 127.0.0.1:0 --heap 8
server=$pid
wait_for 60 grep -qs ^ready server.out
where=$(sed -n 's/^ready //p' server.out)
"$bench" transport "${few[@]}" --connect "$where" --clients 2 >table.out
[ "$(grep -c ' stream$' table.out)" = 6 ] || fail "not three cells, twice"
grep -q '^ *2 clients ' table.out || fail "no empty calls"
"$bench" transport "${few[@]}" --connect "$where" --no-rival >alone.out
! grep -q echo alone.out || fail "a rival that was not wanted"

# A stranger's line ends its connection and nothing else.
exec 4<>"/dev/tcp/${where%:*}/${where##*:}"
echo 'perftest /bin/sh 1 1 5 events' >&4
timeout 20 cat <&4 >stranger.out || fail "a stranger's connection stays open"
exec 4>&-
[ ! -s stranger.out ] || fail "a stranger was answered"
"$bench" transport "${few[@]}" --connect "$where" --rounds 1 >after.out
kill -TERM "$server"
expect_exit "$server" 0 "the server"

# Wrong options are 2, nobody there is 1, a line each.
for wrong in "--sizes 4097" "--sizes 2M" "--depths 0" "--depths 1,65" \
	"--server --connect x" "--proto local --server" "more"; do
	status=0
	# shellcheck disable=SC2086 # words are wanted
	"$bench" transport $wrong 2>wrong.err || status=$?
	[ $status = 2 ] || fail "transport $wrong: status $status"
done
status=0
"$bench" transport "${few[@]}" --connect "$where" 2>gone.err || status=$?
[ $status = 1 ] && [ "$(wc -l <gone.err)" = 1 ] ||
	fail "nobody there: $status, $(cat gone.err)"

expect_nothing_left
