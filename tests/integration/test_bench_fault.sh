#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mitosis-bench fault measures every row of both file systems, over both ways, and
# leaves nothing behind.  No figure is looked at.
. "$(dirname "$0")/lib.sh"
need_tools mitosis-bench mitosis-bench-parent mitosisfs mitosisd

for transport in local tcp; do
	"$tools/mitosis-bench" fault --transport $transport --runs 2 \
		--touches 16 --fuse dev --json >said.out 2>progress.err
	/usr/bin/python3 - $transport "$(nproc)" said.out <<-'END' || fail "$(cat said.out)"
	import json, sys
	rows = [json.loads(line) for line in open(sys.argv[3])]
	one = {"read_1", "write_1", "read_16", "read_32"}
	two = {"read_1_by_2", "read_32_by_2"} if int(sys.argv[2]) > 1 else set()
	for bound, names in (True, one), (False, one | two):
	    for who in "mitosisfs", "null":
	        assert names == {row["row"] for row in rows
	                         if row["one_cpu"] == bound and row["who"] == who}
	    assert 3 == len([row for row in rows
	                     if row["one_cpu"] == bound and row["who"] == "kernel"])
	for row in rows:
	    assert row["transport"] == sys.argv[1] and row["fuse"] == "dev"
	    assert row["rounds"] == 2 and row["samples"] >= 8
	    assert 0 < row["min_ns"] <= row["p50_min_ns"] <= row["p50_max_ns"]
	    assert row["p50_min_ns"] <= row["p50_ns"] <= row["p50_max_ns"]
	    assert ("ratio" in row) == (row["who"] == "mitosisfs")
	END
done
"$tools/mitosis-bench" fault --runs 1 --touches 8 >table.out 2>progress.err
[ "$(grep -c '^read, 1 page ' table.out)" = 2 ] || fail "not two tables"
for wrong in '--transport pigeon' '--fuse pigeon' '--touches 0' \
	'--cpu 1023' extra; do
	status=0
	"$tools/mitosis-bench" fault $wrong 2>wrong.err || status=$?
	[ $status = 2 ] && [ "$(wc -l <wrong.err)" = 1 ] ||
		fail "$wrong is taken: $status"
done
expect_nothing_left
