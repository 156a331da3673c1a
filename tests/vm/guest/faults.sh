#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# faults.sh - a daemon that is killed, a host that starts anew, a device that goes, an
# image that is released, each under a mount in use: an error in bounded time, nothing
# left on the parent's host, a parent that goes on, and a new mount that works
LIMIT=300
. "$(dirname "$0")/../lib.sh"
need_tools mitosisd mitosisfs mitosisctl mitosis-load
need_programs cmp pgrep

# A process that looks at all its memory when DIR/look is there, and says what it
# thinks of it.
write_keeper() {
	cat >keeper.py <<-'END'
		import os, sys, time
		def there(name):
		    return os.path.exists(os.path.join(sys.argv[1], name))
		kept = os.urandom(4096) * 1024
		right = hash(kept)
		print("ready", flush=True)
		while not there("look"):
		    time.sleep(0.1)
		print("right" if hash(kept[:1] + kept[1:]) == right else "wrong", flush=True)
		while not there("go"):
		    time.sleep(0.1)
		print("ok", flush=True)
	END
}

# What device @1 has for processes, dead ones included: regions, queue pairs, domains.
held() {
	local kind
	for kind in mr qp pd; do
		rdma resource show $kind | grep "dev ${device[$1]} " |
			grep -v 'comm \[' || true
	done
}

nothing_held() {
	[ -z "$(held "$1")" ]
}

# No memory of a twin's is registered.
nothing_lent() {
	! rdma resource show mr | grep -q "dev ${device[A]} .* comm $comm"
}

# How many processes have a name: the parent, and twins, which keep it.
named_is() {
	[ "$(pgrep -cx -- "$1")" = "$2" ]
}

vmas() {
	cat "$mnt"/image/vma/*
}

# no_more_pages WHAT: what has not come yet does not come any more, soon enough.
no_more_pages() {
	local began=$SECONDS
	! vmas >cut 2>errors || fail "$1: all pages came"
	grep -q 'Input/output error' errors || fail "$1: not EIO: $(cat errors)"
	[ $((SECONDS - began)) -lt 120 ] || fail "$1: $((SECONDS - began)) s to EIO"
	echo "$1: EIO within $((SECONDS - began)) s, after $began s of the test"
	grep -qx 'state: gone.*' "$mnt/status" ||
		fail "$1: the status does not tell: $(cat "$mnt/status")"
}

# mount_anew: another daemon, another mount, right in every byte; and one more that
# has no page yet.
options=timeo=10,retrans=1
mount_anew() {
	daemon_on A
	"$tools/mitosisctl" --socket "$socket" prepare "$parent" --name an >/dev/null
	mnt=$dir/unix-$daemons
	mkdir "$mnt"
	"$tools/mitosisfs" unix:/image/an "$mnt" -o "socket=$socket"
	fuse_connections+=("$(mountpoint -d "$mnt" | cut -d: -f2)")
	vmas >right
	umount "$mnt"
	mnt=$dir/mnt-$daemons
	mount_on B "${address[A]}:/image/an" $options
	all_right || fail "not the bytes of the image"
	umount "$mnt"
	mount_on B "${address[A]}:/image/an" $options
}

all_right() {
	vmas >all 2>errors && cmp all right
}

# Of CPU time that the daemon has had.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$daemon/stat"
}

# parent_up: the process, in $parent; it is looked at in the directory $dir/$1.
parent_up() {
	mkdir "$1"
	start "$1" /usr/bin/python3 -I -S keeper.py "$dir/$1"
	parent=$pid
	wait_ready "$1" "$parent"
}

# parent_is_well NAME: it finds all its memory right, and ends well.
parent_is_well() {
	touch "$1/look" "$1/go"
	expect_ok "$1" "$parent"
	has_line "$1.out" right || fail "the parent has other bytes than before"
}

gone_for_good() {
	kill -9 "$daemon"
	wait "$daemon" || true
}

hosts_up
munge_up
write_keeper
parent_up first
comm=$(cat "/proc/$parent/comm")

# 1. The daemon is killed; a child runs and has most of its pages still to come.
daemon_on A
mount_on B "${address[A]}:/pid/$parent" $options
start_on B child "$tools/mitosis-load" --pid-file "$dir/child.pid" "$mnt/image"
loader=$pid
wait_for 120 test -s child.pid -o ! -e "/proc/$loader"
! nothing_lent || fail "the image is not registered: $(rdma resource show mr)"
gone_for_good
wait_for 60 nothing_held A
no_more_pages 'a killed daemon'
parent_is_well first
status=0
wait "$loader" || status=$?
[ $status = 135 ] || fail "the child ended with $status, not by SIGBUS"
wait_for 60 named_is "$comm" 0
first=$mnt

# 2. A new one serves a new mount; then its host starts anew.
parent_up second
mount_anew
gone_for_good
second=$mnt
rdma link delete "${device[A]}"
link_down A
ip -n A link set "${link[A]}" up
no_more_pages 'a host that started anew'
on A rdma link add "${device[A]}" type rxe netdev "${link[A]}"
link_up A
mount_anew
umount "$first" "$second"

# 3. The device goes and comes back under a daemon that lives, as does the image:
# the same mount goes on.
rdma link delete "${device[A]}"
no_more_pages 'a device that went'
before=$(ticks)
sleep 2
[ $(($(ticks) - before)) -lt $(($(getconf CLK_TCK) / 2)) ] ||
	fail "mitosisd works without a device: $(($(ticks) - before)) ticks"
on A rdma link add "${device[A]}" type rxe netdev "${link[A]}"
link_up A
wait_for 120 all_right
umount "$mnt"
mount_on B "${address[A]}:/image/an" $options

# 4. The image is released: of a thousand pages more, none comes.
"$tools/mitosisctl" --socket "$socket" release an
/usr/bin/python3 -I -S - "$mnt"/image/vma <<-'END' || fail "released, and read"
	import errno, os, sys
	tried = came = 0
	for name in os.listdir(sys.argv[1]):
	    fd = os.open(os.path.join(sys.argv[1], name), os.O_RDONLY)
	    for at in range(0, os.fstat(fd).st_size, 4096):
	        try:
	            tried += 1
	            came += bool(any(os.pread(fd, 4096, at)))
	        except OSError as error:
	            assert error.errno == errno.EIO, error
	print("tried", tried, "came", came)
	sys.exit(came > 0 or tried < 1000)
END
wait_for 60 nothing_lent
umount "$mnt"
stop_daemon
wait_for 60 nothing_held A
parent_is_well second
wait_for 60 named_is "$comm" 0
