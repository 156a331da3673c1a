#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mitosis-bench eager measures what it says, over both ways, and leaves nothing
# behind.  No figure is looked at.
. "$(dirname "$0")/lib.sh"
need_tools mitosis-bench mitosis-bench-parent mitosisfs mitosisd

for transport in local tcp; do
	"$tools/mitosis-bench" eager --parent c-1m --transport $transport -N 2 \
		--json >said.out 2>progress.err
	/usr/bin/python3 - $transport said.out <<-'END' || fail "$(cat said.out)"
	import json, sys
	rows = [json.loads(line) for line in open(sys.argv[2])]
	assert {row["who"] for row in rows} == {
	    "mitosisfs", "socket_to_file", "socket_to_buffer"}, rows
	for row in rows:
	    assert row["benchmark"] == "eager" and row["runs"] == 2
	    assert row["transport"] == sys.argv[1]
	    assert row["bytes"] > 1 << 20 and row["min_ns"] > 0
	    assert ("ratio" in row) == (row["who"] != "socket_to_file"), row
	END
done
"$tools/mitosis-bench" eager --parent c-1m -N 1 >table.out 2>progress.err
[ "$(grep -cE '^(mitosisfs|socket), ' table.out)" = 3 ] || fail "not three rows"
status=0
"$tools/mitosis-bench" eager -o threads=2 2>wrong.err || status=$?
[ $status = 2 ] && [ "$(wc -l <wrong.err)" = 1 ] || fail "-o is taken: $status"
expect_nothing_left
