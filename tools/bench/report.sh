#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# report.sh [-sv] [DIR] - run every benchmark of plan.txt; its lines of JSON, plots and
# page go to DIR (docs/benchmarks)
#
#     tools/bench/report.sh            all of it, some minutes; let the machine rest
#     tools/bench/report.sh -s DIR     the short plan, the lines of JSON alone
#     tools/bench/report.sh -v         and RDMA, in the virtual machine: rdma-vm.md
#
# BUILD names the build folder (build), PLAN another plan, RUN a command to run each
# by (chrt -f 5), VM another vm.sh.
# Needs root, and gnuplot: tools/setup-debian.sh plot.  A benchmark that fails leaves
# its lines as they were, and the exit status is 1.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
short=false vm=false
while getopts svh option; do
	case $option in
	s) short=true ;;
	v) vm=true ;;
	*)
		sed -nE '3,/^set/s/^# ?//p' "$0"
		[ "$option" = h ] && exit 0 || exit 2
		;;
	esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || exec "$0" -?
build=$(realpath "${BUILD:-$here/../../build}")
bench=$build/tools/mitosis-bench
dir=${1:-$here/../../docs/benchmarks}
plan=${PLAN:-$here/plan.txt}
read -ra run <<<"${RUN:-}"
if ! [ -x "$bench" ]; then
	echo "report.sh: $bench: build it first, or name the folder by BUILD" >&2
	exit 1
fi
mkdir -p "$dir"
dir=$(realpath "$dir") plan=$(realpath "$plan")
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM HUP

load() {
	cut -d' ' -f1 /proc/loadavg
}

# What this machine is, as a line of JSON.
machine() {
	python3 - "$(load)" "$1" "${RUN:-}" "$("$bench" -V)" <<-'END'
	import json, os, pathlib, subprocess, sys
	def said(*words):
	    try:
	        return subprocess.run(words, capture_output=True, text=True,
	                              check=True).stdout.strip()
	    except (OSError, subprocess.CalledProcessError):
	        return "unknown"
	cpu = [line.split(":")[1].strip()
	       for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
	       if line.startswith("model name")]
	pages = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
	print(json.dumps({
	    "benchmark": "machine",
	    "cpus": os.cpu_count(),
	    "cpu": cpu[0] if cpu else "unknown",
	    "virtual": said("systemd-detect-virt", "--vm"),
	    "memory_gib": round(os.sysconf("SC_PHYS_PAGES")
	                        * os.sysconf("SC_PAGE_SIZE") / (1 << 30)),
	    "kernel": os.uname().release,
	    "huge_pages": pages.read_text().split("[")[1].split("]")[0]
	    if pages.exists() else "unknown",
	    "libfuse": said("pkg-config", "--modversion", "fuse3"),
	    "version": sys.argv[4],
	    "commit": said("git", "describe", "--always", "--dirty"),
	    "run_by": sys.argv[3],
	    "load_before": float(sys.argv[2]),
	    "load_after": float(sys.argv[1]),
	}))
	END
}

# The lines of the plan: FILE RUNS WORDS.
planned() {
	awk -v short=$short '/^#/ || !NF { next }
		{ runs = short == "true" ? $2 : $3; file = $1 }
		runs != "-" { $1 = $2 = $3 = ""; print file, runs, $0 }' "$plan"
}

# The tables of the virtual machine, as a page.
measure_vm() {
	cat >"$new/rdma-vm.md" <<-'END'
	# RDMA in the virtual machine: the tables

	`tools/bench/report.sh -v` has `tools/bench/vm.sh` make them, and writes this page.
	[What they mean](rdma.md): look at the ratios alone.
	END
	if BUILD=$build "${VM:-$here/vm.sh}" >>"$new/rdma-vm.md"; then
		cp "$new/rdma-vm.md" "$dir"
	else
		echo "report.sh: $dir/rdma-vm.md is left as it was" >&2
		failed=1
	fi
}

mapfile -t lines < <(planned)
before=$(load)
number=0 failed=0
cd "$here/../.."
for line in "${lines[@]}"; do
	read -r file runs rest <<<"$line"
	[ "$runs" != . ] || runs=
	# shellcheck disable=SC2086
	set -- $rest $runs
	began=$SECONDS
	printf '[%d/%d] mitosis-bench %s' $((++number)) ${#lines[@]} "$*" >&2
	if "${run[@]}" "$bench" "$@" --json >"$new/one" 2>"$new/said"; then
		cat "$new/one" >>"$new/$file.jsonl"
		printf ' (%d s)\n' $((SECONDS - began)) >&2
	else
		printf '\n' >&2
		grep -v '^{' "$new/said" >&2 || true
		failed=1
		touch "$new/$file.failed"
	fi
done
machine "$before" >"$new/machine.jsonl"
for file in "$new"/*.failed; do
	[ -e "$file" ] || continue
	rm -f "${file%.failed}.jsonl"
	file=${file##*/}
	echo "report.sh: $dir/${file%.failed}.jsonl is left as it was" >&2
done
cp "$new"/*.jsonl "$dir"
! $vm || measure_vm
if ! $short; then
	"$here/plots" "$dir"
	"$here/page" "$dir"
fi
exit $failed
