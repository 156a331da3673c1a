#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_metrics.sh - metrics of the daemon and of a mount: their form, and that the
# numbers are those of what happened; the JSON of every command of mitosisctl
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs
/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null ||
	skip "python3-prometheus-client is not installed"

check() {
	/usr/bin/python3 "$here/check_metrics.py" "$@" ||
		fail "metrics are not right"
}

refused() {
	! ctl "$@" 2>why.err || fail "mitosisctl $* was not refused"
	rm why.err
}

# The checker is worth nothing unless it notices.
for bad in 'x 1' '# HELP x_total A.
# TYPE x_total gauge
x_total 1' '# HELP x_ms A.
# TYPE x_ms gauge
x_ms 1' '# HELP x A.
# TYPE x gauge
x 1
x 1' '# HELP x A.
# TYPE x histogram
x_bucket{le="1"} 2
x_bucket{le="+Inf"} 1
x_sum 1
x_count 1' '# HELP x A.
# TYPE x histogram
x_bucket{how="a",le="+Inf"} 1
x_sum{how="a"} 1
x_count{how="a"} 1
x_bucket{how="b",le="+Inf"} 2
x_sum{how="b"} 1
x_count{how="b"} 1'; do
	! /usr/bin/python3 "$here/check_metrics.py" <<<"$bad" 2>/dev/null ||
		fail "the checker takes '$bad'"
done

start_daemon
start sleeper sleep 300
ctl metrics | check 'mitosisd_images=0' 'mitosisd_images_prepared_total=0' \
	'mitosisd_pause_duration_seconds_count=0' \
	'mitosisd_clients{transport="tcp"}=1' \
	'mitosisd_refusals_total{request="hello",reason="version"}=0'

ctl prepare "$pid" --name first >/dev/null
ctl prepare "$pid" --name brief --lease 1s >/dev/null
refused prepare "$pid" --name first
refused prepare 4194303
refused release nobody
is_over() {
	! ctl ls | grep -q '^brief '
}
wait_for 30 is_over

# A mount that is the only reader: what it fetched is what was served.
mount_image unix:/image/first "socket=$socket,prefetch=off"
cat "$mnt"/image/vma/* >/dev/null
cat "$mnt/metrics" >mount.txt
present=$(awk '$1 == "pages_present:" { print $2 * 4096 }' "$mnt/status")
check 'mitosisfs_up=1' "mitosisfs_image_present_bytes=$present" \
	"mitosisfs_fetched_bytes_total=$present" \
	'mitosisfs_reconnects_total=0' 'mitosisfs_prefetched_bytes_total=0' \
	'mitosisfs_prefetch_hit_bytes_total{how="joined"}=0' <mount.txt
number() {
	awk -v name="$1" '$1 == name { print $2 }' "$2"
}
[ "$(number mitosisfs_faults_total mount.txt)" -gt 0 ] || fail "no fault"
[ "$(number mitosisfs_faults_total mount.txt)" = \
	"$(awk '/^mitosisfs_fault_duration_seconds_count/ { all += $2 }
	END { print all }' mount.txt)" ] ||
	fail "not every fault has its time"
grep -qE '^mitosisfs_info\{.*image="first",transport="unix"\} 1$' mount.txt ||
	fail "it does not say what it is: $(grep _info mount.txt)"
# A reader with a small buffer sees one moment.
dd if="$mnt/metrics" bs=64 status=none | check mitosisfs_up=1
umount "$mnt"

ctl metrics >daemon.txt
check 'mitosisd_images=1' 'mitosisd_images_prepared_total=2' \
	"mitosisd_read_bytes_total{transport=\"tcp\"}=$present" \
	'mitosisd_pause_duration_seconds_count=2' \
	'mitosisd_prepare_duration_seconds_count=2' \
	'mitosisd_images_ended_total{reason="lease"}=1' \
	'mitosisd_images_ended_total{reason="released"}=0' \
	'mitosisd_refusals_total{request="prepare",reason="taken"}=1' \
	'mitosisd_refusals_total{request="prepare",reason="missing"}=1' \
	'mitosisd_refusals_total{request="image",reason="missing"}=1' \
	<daemon.txt

# Hits: a child that touches page after page finds them here.
sleeper=$pid
start large /usr/bin/python3 "$here/stream.py" parent
wait_ready large "$pid"
ctl prepare "$pid" --name large >/dev/null
kill "$pid"
mount_image unix:/image/large "socket=$socket,prefetch=next,nosharecache"
/usr/bin/python3 "$here/stream.py" child "$mnt"
cat "$mnt/metrics" >stream.txt
check <stream.txt
awk '/^mitosisfs_prefetched_bytes_total/ { came = $2 }
	/^mitosisfs_prefetch_hit_bytes_total/ { hits += $2 }
	END { exit !(hits > 4194304 && hits >= came / 2) }' stream.txt ||
	fail "few pages that came ahead were hits: $(grep prefetch stream.txt)"
umount "$mnt"
# Of pages in the kernel's cache only waste is heard of: 64 came twice.
mount_image unix:/image/large "socket=$socket,mode=eager,eager=wait,warm=off,nosharecache"
/usr/bin/python3 "$here/stream.py" jump "$mnt"
cat "$mnt/metrics" >jump.txt
check 'mitosisfs_prefetch_waste_bytes_total{why="again"}=262144' \
	'mitosisfs_prefetch_waste_bytes_total{why="dropped"}=0' \
	'mitosisfs_prefetch_waste_bytes_total{why="lost"}=0' <jump.txt
umount "$mnt"
ctl release large
pid=$sleeper

# Every command has JSON, with the version of its form; and it tells the same.
ctl release first
ctl ls --json >ls.json
ctl list --json | cmp - ls.json || fail "list and ls differ"
ctl prepare "$pid" --name second --json >prepare.json
ctl renew second --json >renew.json
ctl release second --json >release.json
ctl status --json >status.json
# Of one moment: the last read of a mount that ends may still come.
of_one_moment() {
	ctl metrics >metrics.txt
	ctl metrics --json >metrics.json
	ctl metrics >after.txt
	cmp -s <(grep reads_total metrics.txt) <(grep reads_total after.txt)
}
wait_for 20 of_one_moment
cat >same.py <<'PY'
import json
def load(name):
    with open(name) as file:
        told = json.load(file)
    assert told["format"] == 1, name
    return told
assert load("ls.json")["images"] == []
prepared = load("prepare.json")
assert prepared["name"] == prepared["image"]["name"] == "second"
assert len(prepared["key"]) == 32
assert load("renew.json")["renewed"] == "second"
assert load("renew.json")["lease_s"] == 600
assert load("release.json")["released"] == "second"
status = load("status.json")
assert status["prepared"] == status["pauses"]["count"] == 4, status
assert (status["lease_over"], status["released"], status["died"]) == (1, 3, 0)
assert status["refusals"]["prepare"] == {"missing": 1, "taken": 1}, status
samples = {}
for metric in load("metrics.json")["metrics"]:
    for sample in metric["samples"]:
        labels = ",".join(f'{k}="{v}"' for k, v in sample["labels"].items())
        if "value" in sample:
            samples[metric["name"] + (f"{{{labels}}}" if labels else "")] = \
                sample["value"]
        else:
            samples[metric["name"] + "_count"] = sample["count"]
            samples[metric["name"] + "_sum"] = sample["sum"]
# What counts the asking itself grows from one question to the next.
grows = ("uptime", "connections_total", "requests_total", "sends_total")
with open("metrics.txt") as file:
    for line in file:
        name, value = line.rsplit(" ", 1)
        if line.startswith("#") or "_bucket" in name or \
                any(word in name for word in grows):
            continue
        assert samples[name] == float(value), (name, value, samples[name])
PY
/usr/bin/python3 same.py || fail "the JSON is not right"
ctl status >status.txt
grep -qE '^images: 0 of at most 64$' status.txt &&
	grep -qE '^  prepare +missing 1, taken 1$' status.txt &&
	grep -qE '^    lease over +1$' status.txt ||
	fail "the status does not tell: $(cat status.txt)"

# An image whose pages died has died.
ctl prepare "$pid" --name mortal >/dev/null
twin=$(for p in $(ours); do
	[ "$p" = "$pid" ] || [ "$(cat "/proc/$p/comm")" != sleep ] || echo "$p"
done)
kill -9 $twin
has_died() {
	ctl metrics | grep -qF 'mitosisd_images_ended_total{reason="died"} 1'
}
wait_for 30 has_died
ctl prepare "$pid" --name last >/dev/null
kill "$pid"
stop_daemon

# The daemon's log: who had an image of what, until when, and who had none.
logged() {
	grep -qE "^mitosisd: $1\$" mitosisd-1.out ||
		fail "the log has no line '$1': $(cat mitosisd-1.out)"
}
wait "${reader_of[mitosisd-1]}" || true
logged 'image first of pid [0-9]+ for user 0: paused [0-9.]+ ms'
logged 'image first of pid [0-9]+ ended: released'
logged 'image brief of pid [0-9]+ ended: its lease is over'
logged 'image mortal of pid [0-9]+ ended: what held its pages died'
logged 'image last of pid [0-9]+ ended: the daemon ends'
logged 'no image of pid 4194303 for user 0: there is no such process'
logged 'no image of pid [0-9]+ for user 0: the name first is taken.*'

# And none of that with --quiet.
start unsaid sleep 300
sleeper=$pid
start_daemon --quiet
ctl prepare "$sleeper" --name unsaid >/dev/null
ctl release unsaid >/dev/null
kill "$sleeper"
stop_daemon
wait "${reader_of[mitosisd-2]}" || true
! grep . mitosisd-2.out || fail "--quiet says something"
