#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cpu.sh - ten thousand pages by one-sided READs take no CPU time of mitosisd, nor
# of a twin: the device finds them itself, even while mitosisd is stopped.  The same
# pages over TCP do take some.
LIMIT=240
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosisctl mitosis-bench-parent
need_programs pgrep

pages_wanted=10000
tick_ms=$((1000 / $(getconf CLK_TCK)))

# The daemon, what lends for it, and the twin: these keep the parent's name.
servants() {
	echo "$daemon"
	pgrep -x -- "$comm" | grep -vx "$parent"
}

# Clock ticks, by user and system, of all processes named.
ticks() {
	local pid line sum=0
	for pid; do
		line=$(<"/proc/$pid/stat")
		set -- ${line##*) }
		sum=$((sum + ${12} + ${13}))
	done
	echo $sum
}

# How often they have run.
runs() {
	awk '/ctxt_switches/ { n += $2 } END { print n }' $(printf '/proc/%s/status ' "$@")
}

in_ms() {
	echo $(($1 * tick_ms))
}

# mount_for PROTO: the image, with no page yet.
mount_for() {
	if [ "$1" = rdma ]; then
		mount_on B "${address[A]}:/image/an"
	else
		on B "$tools/mitosisfs" "${address[A]}:/image/an" "$mnt" \
			-o "nosharecache,proto=tcp,port=$port,sec=munge,munge_socket=$munge"
		fuse_connections+=("$(mountpoint -d "$mnt" | cut -d: -f2)")
	fi
}

# read_heap PROTO [stopped]: all of it, fetched; what that took of the servants, in
# $cost (ticks), $ran (times) and $took (seconds).
read_heap() {
	local pages serve heap
	mount_for "$1"
	heap=$(ls -S "$mnt"/image/vma/* | head -1)
	serve=$(servants)
	pages=$(fetched)
	[ "${2-}" != stopped ] || stop_it
	took_by cat "$heap" >bytes
	kill -CONT "$daemon"
	pages=$(($(fetched) - pages))
	umount "$mnt"
	echo "$*: $pages pages in up to $took s: $(in_ms $cost) ms of" \
		"$(wc -w <<<"$serve") processes, which ran $ran times"
	[ $pages -ge $pages_wanted ] || fail "only $pages pages were fetched"
}

# What the servants take while a command runs.
took_by() {
	local before ran_before began=$SECONDS
	before=$(ticks $serve) ran_before=$(runs $serve)
	"$@"
	cost=$(($(ticks $serve) - before))
	ran=$(($(runs $serve) - ran_before))
	took=$((SECONDS - began + 1))
}

stop_it() {
	kill -STOP "$daemon"
	wait_for 30 grep -q '^State:.*T' "/proc/$daemon/status"
}

fetched() {
	awk '/^pages_(demand|prefetch):/ { n += $2 } END { print n }' "$mnt/status"
}

status() {
	"$tools/mitosisctl" --socket "$socket" status --json |
		grep -oP "\"$1\": *\\K[0-9]+"
}

hosts_up
munge_up
mkfifo orders
start parent bash -c 'exec "$0" 44 <>orders' "$tools/mitosis-bench-parent"
parent=$pid
wait_ready parent "$parent"
comm=$(cat "/proc/$parent/comm")
tcp=${address[A]}:0 daemon_on A
"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name an >/dev/null

# When it is not stopped it looks after its clients now and then, pages or not.  What
# CPU time that is depends on the host, which may take an emulated CPU away just then:
# so it is counted how often it ran.
messages=$(status rdma_reads)
read_heap rdma stopped
[ $cost -le 1 ] || fail "the pages took $(in_ms $cost) ms of CPU time"
sum=$(cksum <bytes)
read_heap rdma
[ $ran -le $((2 * took + 30)) ] || fail "they ran for the pages"
[ "$(cksum <bytes)" = "$sum" ] || fail "other bytes"
[ $(($(status rdma_reads) - messages)) -le 30 ] || fail "by messages"

read_heap tcp
[ $cost -gt 1 ] && [ $ran -gt 100 ] ||
	fail "TCP takes nothing either: this shows nothing"
[ "$(cksum <bytes)" = "$sum" ] || fail "other bytes over TCP"
stop_daemon
