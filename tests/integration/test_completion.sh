#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_completion.sh - what bash offers after a tab
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs mitosis-load
PATH=$tools:$PATH
compopt() {
	:
}
# shellcheck source=dist/completion/mitosis
. "$here/../../dist/completion/mitosis"

# offers FUNCTION LINE WORD...: these are among the words after LINE.
offers() {
	local word function=$1
	COMP_LINE=$2 COMP_POINT=${#2}
	read -ra COMP_WORDS <<<"$2"
	[[ $2 != *" " ]] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	shift 2
	$function
	for word; do
		[[ " ${COMPREPLY[*]} " == *" $word "* ]] ||
			fail "'$COMP_LINE' offers '${COMPREPLY[*]}', not '$word'"
	done
}

offers _mitosisctl 'mitosisctl ' prepare ls metrics status
offers _mitosisctl 'mitosisctl pre' prepare
offers _mitosisctl 'mitosisctl --' --socket --json
offers _mitosisctl "mitosisctl prepare ${$:0:1}" $$
offers _mitosisfs 'mitosisfs local:/pid/' "/pid/$$"
offers _mitosisfs 'mitosisfs local:/pid/1 /mnt -o re' retrans= readahead= retry= reconnect
offers _mitosisfs 'mitosisfs local:/pid/1 /mnt -o ha' hard
offers _mitosisctl 'mitosisctl --v' --version
offers _mitosisfs 'mitosisfs local:/pid/1 /mnt -o port=1,ti' 1,timeo=
offers _mitosis_load 'mitosis-load --' --memory --pid-file
offers _mitosisd 'mitosisd --l' --listen --lease
offers _mitosis_bench 'mitosis-bench ' fork sequential touch prepare memory transport
offers _mitosis_bench 'mitosis-bench fork --' --parent --delay --json
[ "${#COMPREPLY[@]}" -lt 20 ] || fail "too much: ${COMPREPLY[*]}"

offers _mitosis_bench 'mitosis-bench rpc --thread' --thread_count
offers _mitosisd 'mitosisd --rd' --rdma

# Each option that --help has is in the manual page.
pages=$here/../../docs/man
documented() {
	local name=$1 option
	shift
	while read -r option; do
		grep -qF -e "${option//_/\\_}" -e "$option" "$pages/$name".[18].scd ||
			fail "$name $*: its manual page has no $option"
	done < <(_mitosis_long_options "$name" "$@")
}
for name in mitosisd mitosisctl mitosisfs mitosis-load; do
	documented "$name"
done
for name in fork eager sequential touch prepare memory children fault rpc transport; do
	documented mitosis-bench "$name"
done
while read -r option; do
	grep -qF -e "-o $option" "$pages/mitosisfs.8.scd" ||
		fail "mitosisfs: its manual page has no -o $option"
done < <(_mitosis_mount_options)

# Images have names.
start_daemon
start sleeper sleep 100
"$tools/mitosisctl" --socket "$socket" prepare "$pid" --name night >/dev/null
offers _mitosisctl "mitosisctl --socket $socket release " night
mitosisctl() {
	command mitosisctl --socket "$socket" "$@"
}
offers _mitosisctl 'mitosisctl release ' night
offers _mitosisfs 'mitosisfs unix:/i' /image/night
kill "$pid"
stop_daemon
