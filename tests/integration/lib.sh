# SPDX-License-Identifier: MIT
# lib.sh - what the integration tests share; source it first.
#
# A test works in $dir, a directory of its own.  Everything it starts inherits
# MITOSIS_TEST=$dir in its environment, the twin and the child of an image too,
# as they have the parent's memory: so all that is left over can be found and
# ended, by pid, whatever became of the test.
#
# Exit status: 0 right, 77 cannot run here (the last line says why), else wrong.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

# A test that hangs is ended after $LIMIT seconds, with its stacks printed.
if [ -z "${MITOSIS_LIMITED-}" ]; then
	MITOSIS_LIMITED=1 exec timeout -k 20 "${LIMIT:-200}" "$0" "$@"
fi

build=${MITOSIS_BUILD:-$here/../../build}
tools=$build/tools
zoo=$build/tests/zoo
dir=$(mktemp -d "${TMPDIR:-/tmp}/mitosis-test.XXXXXX")
chmod 755 "$dir"
cd "$dir"
export MITOSIS_TEST=$dir
unset MALLOC_PERTURB_ # meson's: it would touch every page that is freed

skip() {
	echo "skip: $*"
	exit 77
}

fail() {
	echo "FAIL: $*"
	exit 1
}

# Skip unless every program of ours that is named has been built.
need_tools() {
	local name
	[ "$(id -u)" = 0 ] || skip "only root may mount and image here"
	[ -c /dev/fuse ] || skip "there is no /dev/fuse"
	for name; do
		[ -x "$tools/$name" ] || skip "$name is not built"
	done
}

# Skip unless every program that is named is installed.
need_programs() {
	local name
	for name; do
		command -v "$name" >/dev/null || skip "$name is not installed"
	done
}

# The pids that this test has brought into being and that still live, but for
# those that look.
ours() (
	unset MITOSIS_TEST
	grep -lsazxF "MITOSIS_TEST=$dir" /proc/[0-9]*/environ |
		cut -d/ -f3 || true
)

# One line per process of ours, for the log.
show_ours() {
	local pid
	for pid in $(ours); do
		echo "left over: $pid $(cat "/proc/$pid/comm"):" \
			"$(tr '\0' ' ' <"/proc/$pid/cmdline")" \
			"($(awk '/^State/ { print $2 }' "/proc/$pid/status"))"
	done 2>/dev/null
}

show_stacks() {
	local pid
	for pid in $(ours); do
		echo "--- $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		grep -h . "/proc/$pid"/task/*/stack | sort | uniq -c
	done 2>/dev/null
}

our_mounts() {
	awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' \
		/proc/self/mounts | sort -r
}

cleanup() {
	local status=$? mnt pid
	trap - EXIT
	trap '' TERM INT HUP PIPE
	set +e
	if [ $status = 124 ] || [ $status = 143 ]; then
		echo "FAIL: the time of ${LIMIT:-200} s is over"
		show_stacks
	fi
	if [ $status != 0 ] && [ $status != 77 ]; then
		show_logs
	fi
	# redis writes over its environment: ours() cannot find it.
	for pid in $(jobs -p) $(ours); do
		kill -9 "$pid"
	done 2>/dev/null
	for mnt in $(our_mounts); do
		umount -l "$mnt"
	done
	abort_fuse
	cd /
	rm -rf --one-file-system "$dir"
	exit $status
}
trap cleanup EXIT
trap 'exit 143' TERM INT HUP

# What the programs of the test said: the files NAME.out and NAME.err.
show_logs() {
	local log
	for log in "$dir"/*.out "$dir"/*.err; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}"
		tail -20 "$log"
	done
}

# A connection's number is another test's as soon as it has ended, between two lines
# of this too; the inode of its folder is not.
born() {
	stat -c %i "/sys/fs/fuse/connections/$1" 2>/dev/null || echo gone
}

# note_connection MAJOR:MINOR: what "mountpoint -d" says of a mount made here.
fuse_connections=()
note_connection() {
	[ -n "$1" ] || fail "it is not mounted"
	fuse_connections+=("${1#*:}:$(born "${1#*:}")")
}

# Break the FUSE connections of mounts made here, if any process still hangs.
abort_fuse() {
	local one
	[ -n "$(ours)" ] || return 0
	sleep 0.3
	[ -n "$(ours)" ] || return 0
	for one in "${fuse_connections[@]}"; do
		[ "$(born "${one%:*}")" = "${one#*:}" ] || continue
		echo 1 >"/sys/fs/fuse/connections/${one%:*}/abort"
	done 2>/dev/null
}

# wait_for SECONDS COMMAND...: until it succeeds; fails the test after that.
wait_for() {
	local seconds=$1 end
	shift
	end=$((SECONDS + seconds + 1))
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "waited ${seconds} s for: $*"
		sleep 0.02
	done
}

has_line() {
	grep -qxF -- "$2" "$1" 2>/dev/null
}

# wait_ready NAME PID: until the program started as NAME says "ready".
wait_ready() {
	wait_for 60 ready_or_gone "$@"
	has_line "$1.out" ready || fail "$1 ended before it was ready"
}

ready_or_gone() {
	has_line "$1.out" ready || gone "$2"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# A pause of up to @1 milliseconds, another one each time.
random_pause() {
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

# start NAME COMMAND...: run it in the background with its output, through a
# pipe as in a pipeline, in NAME.out; its pid is in $pid.
declare -A reader_of
start() {
	local name=$1
	shift
	mkfifo "$dir/$name.pipe"
	cat <"$dir/$name.pipe" >"$dir/$name.out" &
	reader_of[$name]=$!
	"$@" </dev/null >"$dir/$name.pipe" 2>&1 &
	pid=$!
}

# expect_exit PID STATUS WHAT
expect_exit() {
	local status=0
	wait "$1" || status=$?
	[ $status = "$2" ] || fail "$3 ended with $status, not $2"
}

# The pid of the mitosisfs that serves $mnt.
server_pid() {
	local pid
	for pid in $(ours); do
		if [ "$(cat "/proc/$pid/comm")" = mitosisfs ] &&
			grep -qazxF "$mnt" "/proc/$pid/cmdline"; then
			echo "$pid"
		fi
	done 2>/dev/null
}

# Mount an image at $mnt: mount_image SOURCE [OPTIONS], and those of
# MITOSIS_MOUNT: what else all mounts shall have.
mnt=$dir/mnt
mount_image() {
	local options=${2-}${2:+${MITOSIS_MOUNT:+,}}${MITOSIS_MOUNT-}
	mkdir -p "$mnt"
	"$tools/mitosisfs" "$1" "$mnt" ${options:+-o "$options"}
	note_connection "$(mountpoint -d "$mnt")"
}

# The way of a test is TRANSPORT-MEMORY, such as tcp-own.  Transport served is local,
# with children by mitosis-load --serve and --at; warm is local, all brought before.
warm_words=mode=eager,eager=wait

# take_image WAY PID [OPTIONS]: mount an image of a process; on tcp through a
# daemon.
take_image() {
	case ${1%-*} in
	warm)
		mount_image "local:/pid/$2" "$warm_words${3:+,$3}"
		grep -qx 'tier: warm' "$mnt/status" ||
			skip "$(grep '^tier:' "$mnt/status")"
		return
		;;
	local | served)
		mount_image "local:/pid/$2" "${3-}"
		return
		;;
	esac
	start_daemon
	mount_image "127.0.0.1:/pid/$2" "port=$port${3:+,$3}"
}

drop_image() {
	[ -z "$server" ] || stop_server
	umount "$mnt"
	[ "${1%-*}" != tcp ] || stop_daemon
}

# start_server WAY [OPTIONS]: a loader that serves the image; sets $server.  It runs
# under the command $serving_in.
servers=0 server= serving_in=()
start_server() {
	local way=$1 name=server-$((++servers))
	shift
	start "$name" "${serving_in[@]}" "$tools/mitosis-load" --memory="${way#*-}" \
		--serve="$dir/serve.sock" "$@" "$mnt/image"
	server=$pid
	wait_ready "$name" "$server"
}

stop_server() {
	kill -TERM "$server"
	expect_exit "$server" 0 "the server"
	server=
	[ ! -e "$dir/serve.sock" ] || fail "the server's socket is left over"
}

# choose_loader WAY: the command that loads a child, in the array $loading.
choose_loader() {
	if [ "${1%-*}" = served ]; then
		[ -n "$server" ] || start_server "$1"
		loading=("$tools/mitosis-load" --at="$dir/serve.sock")
	else
		loading=("$tools/mitosis-load" --memory="${1#*-}")
	fi
}

# load_child WAY NAME [OPTIONS]: the loader's pid in $loader, the child's, once
# it runs, in the file NAME.pid.
load_child() {
	local way=$1 name=$2
	shift 2
	choose_loader "$way"
	start "$name" "${loading[@]}" \
		--pid-file "$dir/$name.pid" "$@" "$mnt/image"
	loader=$pid
	wait_for 20 test -s "$dir/$name.pid" -o ! -e "/proc/$loader"
}

# expect_ok NAME PID: the animal started as NAME ends well and says so.
expect_ok() {
	expect_exit "$2" 0 "the $1"
	wait "${reader_of[$1]}" || true
	[ "$(tail -n 1 "$dir/$1.out")" = ok ] || fail "the $1 did not say ok"
}

# start_daemon [OPTIONS]: mitosisd on a free port of loopback; sets $port, and
# $socket, and $daemon.
daemons=0
start_daemon() {
	local ready=$dir/ready.$((++daemons))
	socket=$dir/mitosisd.sock
	start "mitosisd-$daemons" "$tools/mitosisd" --listen 127.0.0.1:0 \
		--socket "$socket" --ready-fd 3 "$@" 3>"$ready"
	daemon=$pid
	wait_for 20 test -s "$ready" -o ! -e "/proc/$daemon"
	port=$(sed -nE 's/^ready .* tcp:127\.0\.0\.1:([0-9]+)$/\1/p' "$ready")
	[ -n "$port" ] || fail "mitosisd does not start"
}

stop_daemon() {
	kill -TERM "$daemon"
	wait "$daemon" || fail "mitosisd ended with $?"
}

# ctl ARGUMENT...: mitosisctl, of the daemon here.
ctl() {
	"$tools/mitosisctl" --socket "$socket" "$@"
}

# counter NAME: of the mount's status
counter() {
	awk -v name="$1:" '$1 == name { print $2 }' "$mnt/status"
}

# How many pages this host's page cache had lost and took in again: kernels
# reclaim cold ones though memory is free (DAMON), and pages of files that were
# read a moment ago may lie among these.  Of a cache that was dropped whole no
# count is kept: that is a great many.
lost_pages() {
	# Counted by each CPU for itself, and summed once a second or when asked.
	cat /proc/sys/vm/stat_refresh >/dev/null 2>&1 || sleep 1.5
	awk '$1 == "workingset_refault_file" { n += $2 }
	$1 == "drop_pagecache" { n += $2 * 1000000000 }
	END { printf "%.0f", n }' /proc/vmstat
}

# refused WORDS COMMAND...: it fails, and says one line with these words.
refused() {
	local words=$1 said
	shift
	if said=$("$@" 2>&1); then
		fail "should have been refused: $*"
	fi
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than one line: $said"
	grep -qF -- "$words" <<<"$said" || fail "not '$words' but: $said"
}

portrait_lines='^(Threads|TracerPid|SigBlk|SigIgn|SigCgt|Uid|Umask):'

# What must not change in a parent: what it has open, its children, its tracer,
# its threads and what it does with signals.  Files of /proc are opened and closed
# by some animals all the time, and libc blocks all signals for a moment in
# pthread_kill() and fork(): wait for another moment then.
portrait() {
	local fd link tries status
	for tries in $(seq 300); do
		status=$(grep -E "$portrait_lines" "/proc/$1/status")
		grep -qE '^SigBlk:[[:space:]]*fffffff[ef]' <<<"$status" || break
		sleep 0.01
	done
	for fd in /proc/"$1"/fd/*; do
		link=$(readlink "$fd") || continue
		[ "${link#/proc/}" != "$link" ] || echo "${fd##*/} $link"
	done
	echo "$status"
	cat /proc/"$1"/task/*/children
}

# Nothing of this test may be alive, mounted or in the way any more.
expect_nothing_left() {
	local end=$((SECONDS + 30))
	while [ -n "$(ours)" ]; do
		if [ $SECONDS -ge $end ]; then
			show_ours
			fail "processes are left over"
		fi
		sleep 0.05
	done
	[ -z "$(our_mounts)" ] || fail "still mounted: $(our_mounts)"
}
