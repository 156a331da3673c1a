#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_sharing.sh - mounts of one image have one server and one page cache
. "$(dirname "$0")/sharing.sh"

new_image img 1

# Two: one server, and what the first has read the second finds.
at img a
look img a
lost=$(lost_pages) before=$(settled_reads)
at img b
wait_for 30 nr_servers 1
look img b
no_more_reads "$before" "the second mount"
is_of a mounts 2 || fail "$(of a mounts) mounts"
is_of b sharing yes || fail "not shared: $(grep sharing b/status)"
is_of b cache_ttl_s 5 || fail "cache_ttl is $(of b cache_ttl_s)"
/usr/bin/python3 - b/status.json <<'END' || fail "$(cat b/status.json)"
import json, sys
status = json.load(open(sys.argv[1]))
assert status["sharing"] is True and status["mounts"] == 2, status
assert status["cache_ttl_s"] == 5 and status["users"] == 0, status
assert status["idle_ns"] > 0, status
END

# Whichever goes, the other stays; and so for a third that came through it.
umount a
look img b
at img c
umount b
look img c
is_of c mounts 1 || fail "$(of c mounts) mounts of 1"
no_more_reads "$before" "the third mount"
wait_for 30 nr_servers 1

# Then the server goes, with its socket.
umount c
wait_for 30 nr_servers 0
nr_seats 0 || fail "a socket is left: $(ls /run/mitosisfs)"
at img a cache_ttl=0
umount a
wait_for 30 nr_servers 0

# The pages stay for cache_ttl behind the last mount: who comes finds them.
at img a cache_ttl=60
look img a
lost=$(lost_pages) before=$(settled_reads)
umount a
at img b cache_ttl=60
look img b
# It may have looked meanwhile, a page a second, whether the image is there.
no_more_reads "$before" "a mount within cache_ttl" 20
wait_for 30 nr_servers 1
umount b
end_servers

# A child keeps the pages though its mount is out of sight, and cache_ttl begins
# with its end.
at img a cache_ttl=60
mnt=$dir/a
load_child tcp-shared one
wait_for 20 is_of a users 1
umount -l a 2>/dev/null || true
sleep 0.3
wait_for 30 nr_servers 1
at img b cache_ttl=60
wait_for 30 nr_servers 1
is_of b users 1 || fail "$(of b users) users"
kill "$loader"
wait "$loader" || true
wait_for 10 is_of b users 0
umount b
end_servers

# What shows in a mount, or how pages come, must be the same: else there is an
# own server, and the status says what is different.
at img a
for other in mode=cow readahead=64 cache=off threads=3 allow_other uid=12 \
	timeo=77 prefetch=seq cache_ttl=7 profile; do
	at img b "$other"
	wait_for 30 nr_servers 2
	grep -qE "^sharing: yes \(.* has another ${other%%=*}\)$" b/status ||
		fail "$other: $(grep sharing b/status)"
	# The like of it join it.
	at img c "$other"
	wait_for 30 nr_servers 2
	is_of c mounts 2 || fail "$other: $(of c mounts) mounts"
	umount b
	umount c
	umount a
	end_servers
	at img a
done
# What is only said differently is not.
at img b mode=prefetch,cache=kernel,cache_ttl=5,prefetch=auto
wait_for 30 nr_servers 1
umount b
umount a
end_servers

# Eight at once: one server, no failure.
for round in 1 2 3 4 5; do
	mounting=()
	for i in 1 2 3 4 5 6 7 8; do
		mkdir -p "m$i"
		"$tools/mitosisfs" 127.0.0.1:/image/img "m$i" \
			-o "port=$port,proto=tcp,cache_ttl=60" &
		mounting+=($!)
	done
	for pid in "${mounting[@]}"; do
		expect_exit "$pid" 0 "a mount of eight"
	done
	wait_for 30 nr_servers 1
	is_of m8 mounts 8 || fail "$(of m8 mounts) mounts of 8"
	lost=$(lost_pages) before=$(settled_reads)
	look img "m$round"
	[ $round = 1 ] || no_more_reads "$before" "round $round of eight"
	lost=$(lost_pages) before=$(settled_reads)
	for i in 1 2 3 4 5 6 7 8; do
		look img "m$i"
	done
	no_more_reads "$before" "eight mounts"
	[ $round != 5 ] || break
	for i in $(shuf -e 1 2 3 4 5 6 7 8); do
		umount "m$i"
	done
done

# Children of four of them, all of which read everything: each page is there once.
for i in 1 2 3 4; do
	mnt=$dir/m$i
	load_child tcp-shared child$i
	loaders[i]=$loader
done
touch work/go
for i in 1 2 3 4; do
	wait_for 30 has_line child$i.out read
done
/usr/bin/python3 - "${base_of[img]}" child{1,2,3,4}.pid <<'END' || fail "PSS"
import sys
base, pss, rss = int(sys.argv[1], 16), [], []
for name in sys.argv[2:]:
    inside = False
    for line in open("/proc/%s/smaps" % open(name).read().strip()):
        word = line.split()
        if "-" in word[0]:
            start, end = (int(x, 16) for x in word[0].split("-"))
            inside = start <= base + (4 << 20) < end
        elif inside and word[0] == "Pss:":
            pss.append(int(word[1]))
        elif inside and word[0] == "Rss:":
            rss.append(int(word[1]))
assert len(pss) == 4, pss
print("PSS of 4 children, KiB:", pss, "RSS:", rss)
assert min(rss) >= 8192, rss
assert sum(pss) <= 1.2 * max(rss), (pss, rss)
END
touch work/end
for i in 1 2 3 4; do
	expect_exit "${loaders[i]}" 0 "child $i"
	wait "${reader_of[child$i]}" || true
	has_line child$i.out ok || fail "child $i did not say ok"
done
expect_exit "${parent_of[img]}" 0 "the parent"
rm work/*
for i in 1 2 3 4 5 6 7 8; do
	umount "m$i"
done
end_servers

# Released and prepared anew under its name it is another image.
ctl release img >/dev/null 2>&1 || true
new_image img 2
at img a cache_ttl=600
look img a
ctl release img >/dev/null
new_image img 3
at img b cache_ttl=600
look img b
wait_for 30 nr_servers 2
umount a
wait_for 30 nr_servers 1
look img b
umount b

# eager=wait: who comes meanwhile waits for the same pages.
end_servers
lost=$(lost_pages)
before=$(ctl metrics | awk '/^mitosisd_read_bytes_total/ { sum += $2 } END { print sum }')
for i in 1 2 3; do
	"$tools/mitosisfs" 127.0.0.1:/image/img "m$i" 2>/dev/null \
		-o "port=$port,proto=tcp,mode=eager,eager=wait" &
	mounting[i]=$!
done
for i in 1 2 3; do
	expect_exit "${mounting[i]}" 0 "eager mount $i"
	grep -qx 'eager: complete' "m$i/status" || fail "mount $i came too early"
done
wait_for 30 nr_servers 1
after=$(ctl metrics | awk '/^mitosisd_read_bytes_total/ { sum += $2 } END { print sum }')
twice=$(($(lost_pages) - lost))
[ $((after - before)) -le $((($(of m1 pages_present) + 64 + twice) * 4096)) ] ||
	fail "pages came twice"
umount m1
look img m2
umount m2
umount m3
end_servers

touch work/go work/end
expect_exit "${parent_of[img]}" 0 "the last parent"
stop_daemon
expect_nothing_left
