#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# report.sh [RUNS] - every benchmark as Markdown, with the machine, on stdout
#
#     tools/bench/report.sh 15 >docs/benchmarks.md
#
# BUILD names the build folder (build).  Takes some minutes; let the machine rest.
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${1:-9}
bench=${BUILD:-build}/tools/mitosis-bench

cat <<END
# Benchmarks

Made by \`tools/bench/report.sh $runs\`; *mitosis-bench*(1) says what each row is.
Numbers of one machine compare only with numbers of the same run on it.

| | |
|---|---|
| CPU | $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1) |
| memory | $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo) |
| kernel | $(uname -r) |
| huge pages | $(cat /sys/kernel/mm/transparent_hugepage/enabled) |
| libfuse | $(pkg-config --modversion fuse3) |
| version | $(git describe --always --dirty 2>/dev/null || echo unknown) |
| load before | $(cut -d' ' -f1-3 /proc/loadavg) |
END
for transport in local tcp; do
	for memory in shared own; do
		printf '\n## %s, --memory=%s\n' "$transport" "$memory"
		for parent in python-200m python-64m c-200m c-1m; do
			printf '\n```\n'
			"$bench" fork --parent $parent --transport $transport \
				--memory $memory -N "$runs"
			printf '```\n'
		done
	done
done
tools/bench/tls.sh
