# SPDX-License-Identifier: MIT
# sharing.sh - what the tests of mounts that share a server have in common.
#
# They run in a mount namespace with a /run/mitosisfs of its own, so that what
# they do to it and what they count there is theirs alone.
if [ -z "${MITOSIS_ALONE-}" ]; then
	[ "$(id -u)" = 0 ] || { echo "skip: only root may mount here"; exit 77; }
	mkdir -m 700 -p /run/mitosisfs
	MITOSIS_ALONE=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl mitosis-load
mount -t tmpfs -o mode=700 tmpfs /run/mitosisfs

cat >parent.py <<'END'
import ctypes, os, sys, time
work, tag = sys.argv[1], int(sys.argv[2])
area = ctypes.create_string_buffer(8 << 20)     # a map of its own
for page in range(2048):
    area[page * 4096] = (page * 7 + tag) % 251 + 1
base = ctypes.addressof(area)
os.write(1, b"%x\nready\n" % base)
while not os.path.exists(work + "/go"):
    time.sleep(0.01)
right = all(area[page * 4096][0] == (page * 7 + tag) % 251 + 1
            for page in range(2048))
os.write(1, b"read\n")
while not os.path.exists(work + "/end"):
    time.sleep(0.01)
os.write(1, b"ok\n" if right else b"wrong\n")
END

# look.py MNT BASE TAG [PAGES]: read the area through a mount; it must be right
cat >look.py <<'END'
import mmap, os, sys
base, tag = int(sys.argv[2], 16), int(sys.argv[3])
fd = os.open(sys.argv[1] + "/image/.space", os.O_RDONLY)
offset = base & ~4095
with mmap.mmap(fd, (8 << 20) + 4096, mmap.MAP_PRIVATE, mmap.PROT_READ,
               offset=offset) as area:
    for page in range(2048):
        got = area[base - offset + page * 4096]
        assert got == (page * 7 + tag) % 251 + 1, (page, got)
END

# A parent with bytes of its own, prepared as image NAME: new_image NAME TAG
declare -A parent_of base_of tag_of
new_image() {
	start "parent-$1-$2" /usr/bin/python3 parent.py "$dir/work" "$2"
	parent_of[$1]=$pid
	tag_of[$1]=$2
	wait_ready "parent-$1-$2" "$pid"
	base_of[$1]=$(sed -n 1p "parent-$1-$2.out")
	wait_for 60 prepared "$1" "$pid"
}

# On a busy machine threads may not come to a stop in time: that may be tried again.
prepared() {
	ctl prepare --name "$1" "$2" >/dev/null 2>prepare.err
}

# at NAME MOUNTPOINT [OPTIONS]: mount image NAME
at() {
	mkdir -p "$2"
	"$tools/mitosisfs" "127.0.0.1:/image/$1" "$2" \
		-o "port=$port,proto=tcp${3:+,$3}"
	note_connection "$(mountpoint -d "$2")"
}

look() {
	/usr/bin/python3 look.py "$dir/$2" "${base_of[$1]}" "${tag_of[$1]}"
}

# The servers that run here; those of other tests are not in this /run.
servers() {
	local pid
	for pid in $(ours); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != mitosisfs ] ||
			echo "$pid"
	done
}

nr_servers() {
	[ "$(servers | wc -l)" = "$1" ]
}

# Some may have ended by themselves; one that has just joined is about to.
end_servers() {
	local pid
	for pid in $(servers); do
		kill -TERM "$pid" 2>/dev/null || true
	done
	wait_for 30 nr_servers 0
}

nr_seats() {
	[ "$(find /run/mitosisfs -type s | wc -l)" = "$1" ]
}

of() {
	awk -v name="$2:" '$1 == name { print $2 }' "$1/status"
}

is_of() {
	[ "$(of "$1" "$2")" = "$3" ]
}

# How many READs the daemon has answered.
reads() {
	ctl metrics | awk '/^mitosisd_reads_total/ { sum += $2 } END { print sum }'
}

# The same when nothing is under way any more: the kernel's read-ahead goes on
# behind who has read.
settled_reads() {
	local before=-1 now
	now=$(reads)
	while [ "$now" != "$before" ]; do
		sleep 0.2
		before=$now
		now=$(reads)
	done
	echo "$now"
}

# no_more_reads COUNT WHAT [SLACK]: but for pages that the host has lost since
# $lost was taken
no_more_reads() {
	local now
	now=$(reads)
	[ "$now" -le $(($1 + ${3-0} + $(lost_pages) - lost)) ] ||
		fail "$2: $((now - $1)) more reads"
}

mkdir work
start_daemon
