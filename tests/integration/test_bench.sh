#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_bench.sh - mitosis-bench's benchmarks of images measure all they should, with
# children that answer as their parents do, and leave nothing behind, also when they
# are broken off.  No figure is looked at.
. "$(dirname "$0")/lib.sh"
need_tools mitosis-bench mitosis-bench-parent mitosisfs mitosisd mitosis-load

export TMPDIR=$dir
bench=$tools/mitosis-bench

# rows BENCHMARK WHO,... OPTIONS...: its lines of JSON are in rows.out, and of these.
rows() {
	local name=$1 who=$2
	shift 2
	"$bench" "$name" --json "$@" >rows.out 2>progress.err ||
		fail "$name $*: $(tail -1 progress.err)"
	/usr/bin/python3 - "$name" "$who" <<-'END' || fail "$name $*"
	import json, sys
	rows = [json.loads(line) for line in open("rows.out")]
	assert {row["who"] for row in rows} == set(sys.argv[2].split(",")), rows
	assert rows[0]["benchmark"] == sys.argv[1]
	for row in rows:
	    if "min_ns" in row:
	        assert row["runs"] > 0, row
	        assert 0 < row["min_ns"] <= row["median_ns"] <= row["max_ns"], row
	    if "ratio" in row:
	        assert row["ratio"] >= 0 and row["beside"] != row["who"], row
	END
}

# has MEMBER=VALUE...: a row has all of these.
has() {
	/usr/bin/python3 - "$@" <<-'END' || fail "no row has $*"
	import json, sys
	wanted = [word.split("=", 1) for word in sys.argv[1:]]
	rows = [json.loads(line) for line in open("rows.out")]
	assert any(all(str(row.get(key)) == value for key, value in wanted)
	           for row in rows), rows
	END
}

rows fork mitosisfs,fork --parent c-2m -N 2 --transport tcp --delay 200
has benchmark=fork phase=work who=mitosisfs beside=fork delay_us=200 runs=2
has benchmark=fork phase=pause who=fork parent=c-2m

sides=mitosisfs_child,mitosisfs_read,socket_to_file,socket_to_buffer
rows sequential $sides --parent c-3m -N 2 --transport tcp --delay 100
has who=mitosisfs_read beside=socket_to_buffer bytes=$((3 << 20)) runs=2
rows sequential $sides --parent c-3m -N 1 -o mode=cow --memory own
has who=mitosisfs_child options=mode=cow memory=own transport=local
"$bench" sequential --parent c-3m -N 1 >table.out 2>progress.err
[ "$(grep -cE ' 1\.00$' table.out)" = 1 ] || fail "no reference: $(cat table.out)"

sides=mitosisfs,mitosisfs_second,fork,floor_file,floor_anonymous
for parent in c-2m python-1m; do
	rows touch $sides --parent $parent --percents 0,50,100 -N 1
	has percent=50 order=random access=write who=mitosisfs beside=fork
	has percent=100 order=order access=read who=floor_file
	[ "$(wc -l <rows.out)" = $((3 * 4 * 5)) ] || fail "not all cells"
done
rows touch $sides --parent c-1m --percents 100 -N 1 --transport tcp \
	--delay 50 --memory own -o mode=eager

rows prepare mitosisfs,fork --sizes 1,3 -N 2 --transport tcp
has parent=c-3m mib=3 phase=pause who=mitosisfs beside=fork
has parent=c-1m phase=prepare who=mitosisfs runs=2
has parent=c-1m phase=call who=fork
rows prepare mitosisfs,fork --sizes 1 -N 1 --language python
has parent=python-1m phase=prepare

rows memory mitosisfs,fork --parent c-4m --counts 1,3 --transport tcp
has children=3 phase=idle who=fork
/usr/bin/python3 - <<-'END' || fail "memory"
	import json
	rows = [json.loads(line) for line in open("rows.out")]
	ours = {(row["phase"], row["children"]): row for row in rows
	        if row["who"] == "mitosisfs"}
	for row in ours.values():
	    assert row["image_bytes"] > 4 << 20
	    assert row["servers_bytes"] > 0 and row["twins_bytes"] > 0, row
	    assert row["loaders_bytes"] > 0, row
	    assert row["written_bytes"] < row["pss_bytes"], row
	one, three = ours["readall", 1], ours["readall", 3]
	assert one["pss_bytes"] > 4 << 20
	assert three["loaders_bytes"] > one["loaders_bytes"]
	assert ours["idle", 1]["pss_bytes"] < 4 << 20, "all is here at once"
END

# Refused, with the reason.
for wrong in 'fork --parent c-0m' 'fork --parent rust-9m' 'eager -o threads=2' \
	'sequential --delay 9' 'fork --transport tcp --delay 5001' \
	'fork --memory none' 'fork -N 0' 'fork more' 'nothing' \
	'touch --percents 101' 'touch --percents 1,' 'prepare --sizes 0' \
	'prepare --language perl' 'memory --counts 65' 'memory -N 1' \
	'prepare --parent c-1m' 'eager --memory own'; do
	status=0
	# shellcheck disable=SC2086
	"$bench" $wrong 2>why.txt >/dev/null || status=$?
	[ $status = 2 ] && [ "$(wc -l <why.txt)" = 1 ] ||
		fail "$wrong: $status, $(cat why.txt)"
done
refused "a C parent is wanted" "$bench" sequential --parent python-1m
refused "mitosisfs" "$bench" fork --parent c-1m -o nonsense=1

# A user's would be mounted by fusermount3, and stay: nothing is begun.
chmod 1777 "$dir"
for name in fork fault; do
	status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		"$bench" $name >said.txt 2>why.txt || status=$?
	[ $status = 1 ] && [ "$(wc -l <why.txt)" = 1 ] &&
		grep -q 'needs root' why.txt ||
		fail "$name as a user: $status, $(cat why.txt)"
done

# Broken off at any moment.
is_mounted() {
	[ -n "$(our_mounts)" ]
}
for signal in INT TERM HUP PIPE; do
	words=(fork --parent c-1m --transport tcp --delay 100 -N 500)
	if [ $signal = PIPE ]; then
		signal=TERM words=(fault --runs 500)
	fi
	start broken "$bench" "${words[@]}"
	bench_pid=$pid
	wait_for 60 is_mounted
	random_pause 200
	kill -$signal "$bench_pid"
	status=0
	wait "$bench_pid" || status=$?
	[ $status -gt 128 ] || fail "broken off by $signal: $status"
	wait "${reader_of[broken]}" || true
	grep -q "ended by signal $((status - 128))" broken.out ||
		fail "broken off by $signal without a word"
	[ -z "$(our_mounts)" ] || fail "$signal: still mounted"
	rm -f broken.pipe
done
ls -d mitosis-bench.* 2>/dev/null && fail "a directory stays"
expect_nothing_left
