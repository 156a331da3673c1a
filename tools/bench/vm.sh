#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# vm.sh [ROUNDS] - page reads and empty calls over RDMA and TCP between the two hosts
# of the virtual machine (tests/vm), beside perftest and a plain socket, as Markdown
#
# BUILD names the build folder (build); READS, SIZES and DEPTHS change the cells.
# The CPU is emulated: look at the ratios, and let the machine rest meanwhile.  To
# wake one that sleeps costs the emulator more than half a READ, so they do not;
# KERNEL= for a machine whose CPUs sleep.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${BUILD:-build}")
exec tests/vm/run -t "${SECONDS_MAX:-900}" -r "$PWD" -r "$build" \
	-e "MITOSIS_BUILD=$build" -e "ROUNDS=${1:-5}" -e "READS=${READS:-400}" \
	-e "SIZES=${SIZES:-4k,64k,1M}" -e "DEPTHS=${DEPTHS:-1,16}" \
	-k "${KERNEL-idle=poll}" \
	-- tools/bench/vm_guest.sh
