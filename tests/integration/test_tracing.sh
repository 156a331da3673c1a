#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_tracing.sh - the trace points are in the programs, the code builds without
# them, and bpftrace's scripts count what the mount's metrics count
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd
need_programs readelf
top=$here/../..

# Without <sys/sdt.h> it is the same code.
mkdir without
sed 's/HAVE_SDT 1/HAVE_SDT 0/' "$build/config.h" >without/config.h
grep -q 'HAVE_SDT 0' without/config.h || fail "config.h does not say HAVE_SDT"
for file in $(cd "$top" && grep -l 'TRACE(' ./*/*.c); do
	cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter \
		-Wno-missing-field-initializers -Werror -fsyntax-only \
		-I"$dir/without" -I"$top" "$top/$file" ||
		fail "$file does not build without trace points"
done

grep -q 'HAVE_SDT 1' "$build/config.h" ||
	skip "built without trace points: <sys/sdt.h> is missing"
points() {
	readelf -n "$tools/$1" 2>/dev/null |
		sed -n '/Provider: mitosis/{n;s/.*Name: //p}' | sort -u | xargs
}
# As docs/tracing.md has them.
documented() {
	sed -nE 's/^\| `([a-z_]+)` \| ([a-z, ]+) \|.*/\1 \2/p' \
		"$top/docs/tracing.md" | grep -w "$1" | cut -d' ' -f1 | sort | xargs
}
for program in mitosisfs mitosisd; do
	[ "$(points $program)" = "$(documented $program)" ] ||
		fail "$program has $(points $program), not $(documented $program)"
done

need_programs bpftrace python3
# The probes are those of a file, whoever runs it: one that nobody else runs.
cp "$tools/mitosisfs" mitosisfs
# run_script NAME: start it in a mount namespace with tracefs, its pid in $pid.
run_script() {
	sed "s,usdt:[^:]*/,usdt:$dir/," "$build/dist/$1.bt" >"$1.bt"
	! grep -q "usdt:[^:]*@" "$1.bt" || fail "$1.bt has no path"
	cat >trace.sh <<-'END'
	mountpoint -q /sys/kernel/tracing ||
		mount -t tracefs tracefs /sys/kernel/tracing || exit
	exec bpftrace -f json "$1"
	END
	start "$1" unshare --mount sh trace.sh "$1.bt"
	wait_for 60 is_tracing "$1" "$pid"
	grep -q Tracing "$1.out" ||
		skip "bpftrace does not work on this kernel: $(tail -1 "$1.out")"
}
is_tracing() {
	grep -qs Tracing "$1.out" || gone "$2"
}
end_script() {
	kill -INT "$2"
	wait "$2" || true
	wait "${reader_of[$1]}" || true
}

start large /usr/bin/python3 "$here/stream.py" parent
large=$pid
wait_ready large "$large"
run_script mitosis-faults
faults=$pid
run_script mitosis-prefetch
prefetch=$pid
mkdir -p "$mnt"
./mitosisfs "local:/pid/$large" "$mnt" -o prefetch=next
kill "$large"
/usr/bin/python3 "$here/stream.py" child "$mnt"
# What was asked ahead of demand comes to an end.
settled() {
	local before
	before=$(grep prefetch "$mnt/metrics")
	sleep 0.3
	[ "$(grep prefetch "$mnt/metrics")" = "$before" ]
}
wait_for 30 settled
cat "$mnt/metrics" >metrics.txt
end_script mitosis-faults "$faults"
end_script mitosis-prefetch "$prefetch"
umount "$mnt"

cat >same.py <<'END'
import json
metrics, told = {}, {}
with open("metrics.txt") as file:
    for line in file:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            metrics[name] = float(value)
for script in ("mitosis-faults", "mitosis-prefetch"):
    with open(script + ".out") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["type"] in ("map", "hist"):
                told.update(row["data"])

def number(name):
    value = told.get(name, 0)
    return sum(value.values()) if isinstance(value, dict) else value

def bytes_of(name):
    return sum(value for key, value in metrics.items() if key.startswith(name))

faults = sum(bucket["count"] for bucket in told["@fault_us"])
assert faults == metrics["mitosisfs_faults_total"] > 0, (faults, metrics)
fetches = sum(bucket["count"] for bucket in told["@fetch_us"])
assert fetches == metrics["mitosisfs_fetches_total"] > 0, (fetches, metrics)
assert number("@fault_bytes") == metrics["mitosisfs_fault_bytes_total"]
assert number("@fetch_bytes") == metrics["mitosisfs_fetched_bytes_total"]
assert number("@issued_pages") * 4096 == \
    metrics["mitosisfs_prefetched_bytes_total"] > 0, (told, metrics)
assert number("@used_pages") * 4096 == \
    bytes_of("mitosisfs_prefetch_hit_bytes_total")
assert number("@wasted_pages") * 4096 == \
    bytes_of("mitosisfs_prefetch_waste_bytes_total")
assert number("@used_pages") + number("@wasted_pages") > 0
END
/usr/bin/python3 same.py || fail "the scripts do not count what the mount counts"
expect_nothing_left
