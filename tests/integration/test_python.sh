#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_python.sh - image a busy Python, look at the image with everyday tools
#
# That it can be loaded is what "zoo.sh WAY python" proves.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs

work=$dir/work
mkdir "$work"
start parent /usr/bin/python3 "$here/../zoo/busy.py" "$work"
parent=$pid
wait_ready parent "$parent"
take_image local-shared "$parent"
image=$mnt/image

for name in maps status cmdline environ auxv image.json exe vma; do
	[ -e "$image/$name" ] || fail "there is no image/$name"
	ls "$image" | grep -qx "$name" || fail "ls does not show image/$name"
done

# Words of /proc that cannot have changed.
for name in cmdline environ auxv; do
	cmp "$image/$name" "/proc/$parent/$name" || fail "image/$name differs"
done
cmp "$image/exe" "/proc/$parent/exe" || fail "image/exe differs"
grep -q "^Pid:[[:space:]]*$parent$" "$image/status" ||
	fail "image/status has another pid"
for library in libc.so.6 libm.so.6 python3; do
	diff <(grep -F "$library" "$image/maps") \
		<(grep -F "$library" "/proc/$parent/maps") ||
		fail "the maps of $library differ"
done
/usr/bin/python3 -m json.tool "$image/image.json" >/dev/null ||
	fail "image.json is not JSON"

# The open files and the threads, as links and texts.
for link in "/proc/$parent"/fd/*; do
	number=${link##*/}
	to=$(readlink "$link") || continue
	[ "${to#/}" = "$to" ] || to=parent:$to
	case $to in
	parent:/proc/*) continue ;; # it opens and closes some all the time
	esac
	[ "$(readlink "$image/fd/$number")" = "$to" ] ||
		fail "fd/$number is $(readlink "$image/fd/$number"), not $to"
	grep -q "^pos:" "$image/fdinfo/$number" || fail "no fdinfo/$number"
done
[ "$(readlink "$image/cwd")" = "parent:$(readlink "/proc/$parent/cwd")" ] ||
	fail "cwd is $(readlink "$image/cwd")"
for task in "$image"/task/*; do
	tid=${task##*/}
	cmp "$task/comm" "/proc/$parent/task/$tid/comm" ||
		fail "the name of thread $tid differs"
	grep -q '^rip ' "$task/regs" || fail "no registers of $tid"
done
cmp "$(readlink -f "$image/by-name/stack")" \
	"$image/vma/$(awk '/\[stack\]/ { print $1 }' "$image/maps")" ||
	fail "by-name/stack is another area"
grep -c '^Rss: ' "$image/smaps" | grep -qx "$(wc -l <"$image/maps")" ||
	fail "smaps has not one entry an area"

# One file per area, of its exact size; the kernel's own areas have none.
/usr/bin/python3 - "$image" <<'END' || fail "the areas are not as in maps"
import os, sys
image = sys.argv[1]
wanted = {}
for line in open(image + "/maps"):
    area, *rest = line.split(maxsplit=5)
    if not rest[-1].startswith(("[vsyscall]", "[vvar")):
        start, end = (int(n, 16) for n in area.split("-"))
        wanted[area] = end - start
found = {entry.name: entry.stat().st_size
         for entry in os.scandir(image + "/vma")}
for area in sorted(wanted.keys() ^ found.keys()):
    print("only in", "maps" if area in wanted else "vma", area)
for area in sorted(wanted.keys() & found.keys()):
    if wanted[area] != found[area]:
        print(area, "has", found[area], "bytes")
sys.exit(wanted != found or len(found) < 50)
END

# The bytes: a marker of the heap, and the code of a library.
grep -lqaF 'a marker to look for in the image: ABC' "$image"/vma/* ||
	fail "the marker is in no area"
read -r range offset path < <(awk '$2 == "r-xp" && /libc.so.6/ {
	print $1, $3, $6 }' "$image/maps")
bytes=$(stat -c %s "$image/vma/$range")
cmp <(cat "$image/vma/$range") <(tail -c "+$((0x$offset + 1))" "$path" |
	head -c "$bytes") || fail "libc's code differs from $path"

# The parent goes on and the image stays: every byte of it, read two times.
all() {
	cat "$image"/vma/* "$image/maps" "$image/status" | sha256sum
}
first=$(all)
echo 3 >/proc/sys/vm/drop_caches
[ "$first" = "$(all)" ] || fail "the image changed"

# Nobody writes to an image.
for name in new status vma; do
	! touch "$image/$name" 2>touch.err || fail "image/$name was touched"
	grep -q 'Read-only file system' touch.err || fail "$(cat touch.err)"
done
grep " $mnt fuse" /proc/self/mounts | grep -q 'ro,nosuid,nodev' ||
	fail "not mounted ro,nosuid,nodev"
grep -q . "$mnt/status" || fail "there is no status"

touch "$work/go"
expect_ok parent "$parent"
drop_image local-shared
expect_nothing_left
