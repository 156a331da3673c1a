#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh - each fuzzer for FUZZ_SECONDS (60), two at a time, with a tally
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-60}
build=${BUILD:-build-fuzz}
[ -e "$build/build.ninja" ] ||
	CC=clang meson setup "$build" -Dfuzzers=true \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
ninja -C "$build" >"$build/build.log" || {
	tail -40 "$build/build.log"
	exit 1
}

# Run one fuzzer; what it learns and what it breaks stays in its folder.
fuzz() {
	local name work
	name=$(basename "$1")
	work=$build/corpus/$name
	mkdir -p "$work"
	if "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$work.crash-" "$work" \
		>"$work.log" 2>&1; then
		echo "ok   $name: $(grep -o 'number_of_executed_units: .*' \
			"$work.log")"
	else
		echo "FAIL $name"
		tail -30 "$work.log"
		return 1
	fi
}
export -f fuzz
export build seconds

mapfile -t fuzzers < <(find "$build/tests/fuzz" -maxdepth 1 -type f \
	-name 'fuzz_*' -executable | sort)
results=$build/results
printf '%s\0' "${fuzzers[@]}" |
	xargs -0 -r -n 1 -P 2 bash -c 'fuzz "$0" || true' | tee "$results"
passed=$(grep -c '^ok ' "$results" || true)
failed=$(grep -c '^FAIL ' "$results" || true)
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
