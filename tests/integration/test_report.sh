#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_report.sh - tools/bench/report.sh measures a plan, draws it and writes its page;
# tools/bench/guard sees what has become worse.  No figure is looked at.
. "$(dirname "$0")/lib.sh"
need_tools mitosis-bench mitosis-bench-parent mitosisfs mitosisd mitosis-load
need_programs gnuplot

bench=$here/../../tools/bench
export BUILD=$build TMPDIR=$dir PLAN=$dir/plan
cat >plan <<-'END'
	fork       - 2 fork --parent c-1m --transport tcp -N
	sequential 1 2 sequential --parent c-2m --transport tcp --delay 50 -N
	touch      - 1 touch --parent c-1m --percents 50,100 --transport tcp -N
	prepare    - 1 prepare --sizes 1,2 -N
	memory     - . memory --parent c-1m --counts 1,2
	fault      - 2 fault --touches 8 --runs
	transport  - 1 transport --reads 5 --most 4 --heap 8 --rounds
END
"$bench/report.sh" made 2>progress.err || fail "$(cat progress.err)"
[ "$(grep -c '^\[[1-7]/7\]' progress.err)" = 7 ] || fail "no progress is shown"

/usr/bin/python3 - <<'END' || fail "the page or a picture is not right"
import json, pathlib, xml.dom.minidom
made = pathlib.Path("made")
assert {path.stem for path in made.glob("*.jsonl")} == {
    "machine", "fork", "sequential", "touch", "prepare", "memory", "fault",
    "transport"}
machine = json.loads((made / "machine.jsonl").read_text())
assert machine["cpus"] > 0 and machine["kernel"] and machine["load_after"] >= 0
page = (made / "README.md").read_text()
for words in ("c-1m, tcp", "50 µs each way", "read, random, 50 %", "c-2m, local",
              "readall, 2", "read_1, local", "tcp, 64 KiB, 16 at a time",
              machine["kernel"]):
    assert words in page, words
pictures = {path.name for path in made.glob("*.svg")}
assert {"touch.svg", "prepare.svg", "fault.svg", "transport-latency.svg"} <= \
    pictures, pictures
for name in pictures:
    assert f"({name})" in page, name
    xml.dom.minidom.parse(str(made / name))
    assert (made / name).stat().st_size < 200_000, name
END

# The same lines, the same pictures and page.
cp -r made again
rm again/*.svg again/README.md
"$bench/plots" again
"$bench/page" again
diff -r made again || fail "the same lines give something else"

# With -v the tables of the virtual machine, or what there was of them.
printf '#!/bin/sh\necho "### page reads, rdma, of $BUILD"\nexit $STATUS\n' >vm
chmod +x vm
: >none
for STATUS in 0 77; do
	status=0
	STATUS=$STATUS VM=$dir/vm PLAN=$dir/none "$bench/report.sh" -sv made \
		2>vm.err || status=$?
	[ $status = $((STATUS > 0)) ] || fail "-v, $STATUS: $status, $(cat vm.err)"
	printf '#!/bin/sh\necho lost\nexit $STATUS\n' >vm
done
has_line made/rdma-vm.md "### page reads, rdma, of $(realpath "$build")" ||
	fail "the page is not vm.sh's: $(cat made/rdma-vm.md)"
grep -q 'rdma-vm.md is left as it was' vm.err || fail "nothing is said: $(cat vm.err)"

# A benchmark that fails leaves what there was.
echo 'fork - 1 fork --parent c-1m -o nonsense=1 -N' >plan
cp made/fork.jsonl before
status=0
"$bench/report.sh" made 2>wrong.err || status=$?
[ $status = 1 ] && cmp -s before made/fork.jsonl ||
	fail "a failure: $status, $(cat wrong.err)"
grep -q 'is left as it was' wrong.err || fail "nothing is said: $(cat wrong.err)"

# The guard: against itself, against what was better, and by a run of its own.
"$bench/guard" --old made made >guard.out || fail "$(cat guard.out)"
sed -E 's/"ratio": ([0-9])/"ratio": 77\1/' made/touch.jsonl >worse.jsonl
status=0
"$bench/guard" --old made worse.jsonl >guard.out || status=$?
[ $status = 1 ] || fail "worse, but $status: $(cat guard.out)"
grep -q '^worse: touch c-1m tcp ' guard.out || fail "$(cat guard.out)"
echo 'sequential 1 - sequential --parent c-2m --transport tcp --delay 50 -N' >plan
"$bench/guard" --old made --factor 1000000 --tries 1 >guard.out 2>progress.err ||
	fail "$(cat guard.out progress.err)"
grep -qE '^[1-9][0-9]* ratios compared, 0 worse' guard.out || fail "$(cat guard.out)"
ls -d mitosis-bench.* tmp.* 2>/dev/null && fail "something is left over"
expect_nothing_left
