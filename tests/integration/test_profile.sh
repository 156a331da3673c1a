#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_profile.sh - mitosis-load --profile: what it tells of a child is so, and the
# child is none the worse for it
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl mitosis-load
toucher=$build/tests/integration/toucher

# Whoever looks at all mounts of the host may be in this one just now.
unmount() {
	wait_for 30 umount -q "$mnt"
}

# profile_of NAME MEMORY DO [OPTION...]: a child that does DO (see toucher.c), alone
# on a fresh mount in $mode; what is told goes to NAME.json, and its status to $status
profile_of() {
	local name=$1 memory=$2 before lost
	lost=$(lost_pages)
	before=$(served)
	mount_image "127.0.0.1:/image/it" "$proto,$mode,nosharecache"
	echo "$3" >go
	status=0
	timeout 60 "$tools/mitosis-load" --memory="$memory" --profile json "${@:4}" \
		"$mnt/image" </dev/null >"$name.out" 2>"$name.err" || status=$?
	rm go
	grep '^{' "$name.err" >"$name.json" || fail "$name: $(cat "$name.err")"
	case $mode in
	*eager*) wait_for 60 grep -qx 'eager: complete' "$mnt/status" ;;
	esac
	echo $(($(served) - before)) >"$name.served"
	echo $(($(lost_pages) - lost)) >"$name.lost"
	cp "$mnt/status.json" "$name.status"
	cp "$mnt/metrics" "$name.metrics"
	unmount
}

# What the daemon has answered READs with so far, bytes.
served() {
	ctl metrics | awk '/^mitosisd_read_bytes_total\{transport="tcp"\}/ { print $2 }'
}

start parent "$toucher" "$dir/go"
parent=$pid
wait_ready parent "$parent"
start_daemon
proto=port=$port,proto=tcp
mode=mode=cow
ctl prepare "$parent" --name it >/dev/null
kill "$parent"
wait "$parent" || true

for memory in shared own; do
	profile_of none-$memory $memory "0 0 0 0"
	[ $status = 0 ] || fail "none-$memory ended with $status"
	profile_of some-$memory $memory "100 40 0 7"
	[ $status = 7 ] || fail "some-$memory ended with $status"
	has_line some-$memory.out "done" || fail "some-$memory: $(cat some-$memory.out)"
done
# Its own children end by the same calls, and are not it.
profile_of forks shared "100 40 5 0"
[ $status = 0 ] || fail "forks ended with $status"
profile_of many shared "10 5 0 3" --number 3
[ $status = 3 ] || fail "many ended with $status"
# All came ahead; of that the child used what it looked at.
mode=mode=eager,eager=wait
profile_of eager shared "100 40 0 0"
mode=mode=eager,eager=wait,warm=off
profile_of cached shared "100 40 0 0"
[ $status = 0 ] || fail "cached ended with $status"
# The same while the child looks at it.
mode=mode=eager,warm=off
profile_of busy shared "400 90 0 0"
[ $status = 0 ] || fail "busy ended with $status"

cat >check.py <<'END'
import json

def told(name):
    with open(name + ".json") as file:
        return json.load(file)

def only(name):
    child, = told(name)["children"]
    return child

none, some, forks = only("none-shared"), only("some-shared"), only("forks")
for child in (none, some, forks):
    assert child["seen"] == "exit", child
    assert child["life_us"] > 0 and child["guard_failed"] == 0, child
assert (none["status"], some["status"]) == (0, 7)
# The one touches 140 pages that the other does not, and writes to 40 of them:
# as counted in its page tables, by the kernel at its end, and by the mount.
assert some["working_set_kb"] - none["working_set_kb"] == 140 * 4, (none, some)
assert some["copied_kb"] - none["copied_kb"] == 40 * 4, (none, some)
assert some["major_faults"] - none["major_faults"] >= 140
assert forks["working_set_kb"] - none["working_set_kb"] >= 140 * 4
a, b = told("none-shared"), told("some-shared")
assert b["working_set_kb"] - a["working_set_kb"] == 140 * 4, (a, b)
assert b["fetched_kb"] - a["fetched_kb"] == 140 * 4, (a, b)
assert b["prefetched_kb"] == b["prefetched_used_kb"] == 0
for name in "none-shared", "some-shared":
    mine = told(name)
    # Nobody else used the mount: what its page tables had was faulted there.
    assert only(name)["working_set_kb"] <= mine["faulted_kb"], mine
    # One page at a time, but for the stack, which the loader asks for at once.
    at_once = mine["working_set_kb"] - mine["fault_fetched_ns"]["count"] * 4
    assert 0 <= at_once < 128, mine
    with open(name + ".status") as file:
        profile = json.load(file)["profile"]
    # Since the load began is not since the mount, but nearly.
    for kind in "fault_ns", "fault_fetched_ns":
        assert 0 < mine[kind]["count"] <= profile[kind]["count"], kind
        assert 0 < mine[kind]["p50"] <= mine[kind]["max"]
        assert mine[kind]["max"] <= profile[kind]["max"] * 1.02
        assert sum(b["count"] for b in mine[kind]["buckets"]) == \
            mine[kind]["count"]
    # The mount was told of the load.
    keys = ("begun", "world", "read", "checked", "planned", "go", "child",
            "files", "running")
    assert [profile[f"load_{key}_us"] for key in keys] == \
        list(mine["phases_us"].values())
# Whatever the way, each page crosses the network once, and no hole does; but
# for pages that this host has lost meanwhile.
for name in "none-shared", "some-shared", "eager", "cached", "busy":
    with open(name + ".served") as file:
        served = int(file.read())
    with open(name + ".status") as file:
        status = json.load(file)
    assert served == status["bytes_read"], (name, served, status)
    with open(name + ".lost") as file:
        lost = int(file.read())
    which = "faulted" if name in ("none-shared", "some-shared") else "present"
    again = served // 4096 - status["pages_" + which]
    assert 0 <= again <= lost, (name, served, lost, status)
for name in "eager", "cached":
    mine, child = told(name), only(name)
    with open(name + ".status") as file:
        profile = json.load(file)["profile"]
    assert mine["fetched_kb"] == mine["prefetched_kb"] == 0, mine
    assert 140 * 4 <= mine["prefetched_used_kb"] <= child["working_set_kb"]
    assert profile["prefetched_used_kb"] == mine["prefetched_used_kb"]
    assert profile["prefetched_used_kb"] < profile["prefetched_kb"] / 4
    with open(name + ".metrics") as file:
        seen, = [line for line in file if 'bytes_total{how="seen"}' in line]
    assert int(seen.split()[1]) == mine["prefetched_used_kb"] * 1024
# A pager's batch is 16 pages; each touch needed one of its own.
none, some = only("none-own"), only("some-own")
assert none["seen"] == some["seen"] == "pager"
assert some["pager_faults"] - none["pager_faults"] == 140, (none, some)
assert some["working_set_kb"] - none["working_set_kb"] >= 140 * 4, (none, some)
three = told("many")["children"]
assert len({child["pid"] for child in three}) == 3
assert [child["status"] for child in three] == [3, 3, 3]
assert all(child["seen"] == "exit" for child in three), three
END
/usr/bin/python3 check.py || fail "what is told is not so"

# killed_by SIGNAL TO WHAT: how a child that sleeps is seen, and the loader's status
killed_by() {
	local status=0
	mount_image "127.0.0.1:/image/it" "$proto,mode=cow,nosharecache"
	echo "10 5 0 -1" >go
	start "$1-$2" "$tools/mitosis-load" --profile text --pid-file "$dir/pid" \
		"$mnt/image"
	local loader=$pid
	wait_for 30 has_line "$1-$2.out" "done"
	if [ "$2" = loader ]; then
		kill -"$1" "$loader"
	else
		kill -"$1" "$(cat pid)"
	fi
	wait "$loader" || status=$?
	wait "${reader_of["$1-$2"]}" || true
	rm go pid
	[ $status = $((128 + $(kill -l "$1"))) ] || fail "$1: $status"
	grep -qE "^mitosis-load: child [0-9]+: seen: $3\$" "$1-$2.out" ||
		fail "$1 to the $2: $(cat "$1-$2.out")"
	unmount
}
killed_by TERM loader signal
killed_by KILL child no
grep -qE '^mitosis-load: child [0-9]+: working_set_kb: [1-9]' TERM-loader.out ||
	fail "nothing is told of a child that was ended by a signal"
! grep -qE '^mitosis-load: child [0-9]+: working_set_kb' KILL-child.out ||
	fail "something is told of a child that nobody saw"
grep -qE '^mitosis-load: fault_us_p99: [0-9.]+$' KILL-child.out || fail "no faults"

# A supervisor that dies while its child waits at its exit: nothing stays.
mount_image "127.0.0.1:/image/it" "$proto,mode=cow,nosharecache"
start last "$tools/mitosis-load" --profile json --pid-file "$dir/pid" "$mnt/image"
loader=$pid
wait_for 30 test -s pid
child=$(cat pid)
kill -STOP "$loader"
echo "10 5 0 0" >aside
mv aside go
wait_for 30 has_line last.out "done"
random_pause 50
[ -e "/proc/$child/maps" ] || fail "the child did not wait at its exit"
kill -KILL "$loader"
wait_for 30 test ! -e "/proc/$child"
wait "$loader" 2>/dev/null || true
unmount
rm go

# A copy of an image has no mount to tell of, and a child all the same.
mount_image "127.0.0.1:/image/it" "$proto,nosharecache"
cp -r --sparse=always "$mnt/image" copy
unmount
echo "10 5 0 0" >go
"$tools/mitosis-load" --profile json copy </dev/null >copy.out 2>copy.err ||
	fail "the copy: $(cat copy.err)"
/usr/bin/python3 - <<'END' || fail "the copy: $(cat copy.err)"
import json
told = json.loads([line for line in open("copy.err") if line[0] == "{"][-1])
assert "fetched_kb" not in told and "fault_ns" not in told
child, = told["children"]
assert child["seen"] == "exit" and child["working_set_kb"] >= 15 * 4, child
END
rm go

ctl release it >/dev/null
stop_daemon
expect_nothing_left
