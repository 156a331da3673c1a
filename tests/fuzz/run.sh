#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [NAME...] - build the fuzz targets with clang and run all, or those
# named, for FUZZ_SECONDS (60) each, two at a time
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${BUILD:-build-fuzz}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -e "$build/build.ninja" ]; then
	CC=clang meson setup "$build" -Dfuzzers=true >"$log" || {
		cat "$log"
		exit 1
	}
fi
echo "building fuzz targets in $build"
ninja -C "$build" fuzzers >"$log" || {
	tail -60 "$log"
	exit 1
}

status=0
meson test -C "$build" --no-rebuild --print-errorlogs --num-processes 2 \
	--suite fuzz "${@/#/fuzz_}" || status=$?
/usr/bin/python3 tests/fuzz/tell.py "$build/meson-logs/testlog.json" || status=1
/usr/bin/python3 tests/tally.py "$build/meson-logs/testlog.json" || status=1
exit $status
