#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_core.sh - debuggers look at the core of a live process through the mount
#
# Each tool gets a mount of its own, so that what it moves is counted cold.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs
need_programs gdb eu-stack eu-unstrip eu-readelf readelf file gcore

moved() {
	awk '$1 == "bytes_read:" { print $2 }' "$mnt/status"
}

# look MOST COMMAND...: its output in out.txt, having moved at most MOST bytes;
# run once more it moves none, but for the kernel's reading ahead.
look() {
	local most=$1 before after
	shift
	before=$(moved)
	timeout 100 "$@" >out.txt 2>err.txt </dev/null ||
		fail "$1 ended with $?: $(tail -3 err.txt)"
	after=$(($(moved) - before))
	echo "$1 moved $after bytes"
	[ $after -le "$most" ] || fail "$* moved $after bytes, not $most"
	before=$(moved)
	timeout 100 "$@" >/dev/null 2>&1 </dev/null
	after=$(($(moved) - before))
	[ $after -le 131072 ] || fail "$1 moved $after bytes once more"
}

want() {
	local line
	for line; do
		grep -qE -- "$line" out.txt ||
			fail "no line '$line': $(cat out.txt err.txt)"
	done
}

remount() {
	[ ! -e "$mnt/status" ] || umount "$mnt"
	mount_image "local:/pid/$1"
}

# ---- a C program with four threads ----

victim=$(readlink -f "$build/tests/integration/victim")
start victim "$victim"
parent=$pid
wait_ready victim "$parent"

remount "$parent"
[ "$(moved)" = 0 ] || fail "a mount moved bytes"
core=$mnt/image/core
[ "$(stat -c %i "$core")" = "$(stat -c %i "$mnt/core")" ] ||
	fail "image/core is not core"
! ls "$mnt/image" | grep -qx core || fail "a copy would hold a core"
look 65536 file "$core" # the name of the executable is on the stack
want "ELF 64-bit LSB core file, x86-64.*from '$victim'"
look 0 readelf -lW "$core"
want 'file type is CORE'
/usr/bin/python3 - "$mnt/image/maps" out.txt <<'END' || fail "areas are missing"
import re, sys
loads = [[int(n, 16) for n in (m[1], m[2])] for m in re.finditer(
    r"LOAD +\S+ (\S+) \S+ \S+ (\S+)", open(sys.argv[2]).read())]
areas = [[int(n, 16) for n in line.split()[0].split("-")]
         for line in open(sys.argv[1])]
sys.exit(not all(any(at <= start and end <= at + size for at, size in loads)
                 for start, end in areas)
         or sum(end - start for start, end in areas) != sum(
             size for _, size in loads))
END
look 0 eu-readelf -n "$core"
[ "$(grep -c 'NT_PRSTATUS\|PRSTATUS$' out.txt)" = 4 ] ||
	fail "not four threads: $(cat out.txt)"
readelf -aW "$core" >out.txt 2>err.txt || fail "readelf: $(cat err.txt)"
! grep -i 'warning\|error' err.txt || fail "readelf complains"

remount "$parent"
look 600000 gdb -nx -batch -ex 'thread apply all bt' \
	-ex 'info registers' -ex 'p items' -ex 'p *items[2].next' \
	-ex 'x/4cb big + 15 * (64 << 20) / 16' \
	-ex 'p big[100 * 4096]' \
	-ex 'thread find '"$parent" -ex 'p thread_number' \
	"$victim" "$core"
want 'id = 2, weight = 3, next = .*name = "item 2' \
	"80 'P'" "= 0 '.000'" 'rip .* <' ' main \(\)' '= 100$' \
	'middle \(item=.*items\+[0-9]+>, depth=2\)' \
	'signal handler called' 'on_signal \(signo=10\)'
[ "$(grep -c '^#[0-9]* .*leaf (item=' out.txt)" = 3 ] ||
	fail "not three threads in leaf(): $(cat out.txt)"
[ "$(grep -c '^#[0-9]* .*middle (item=' out.txt)" = 6 ] ||
	fail "not six frames of middle()"
[ "$(grep -c '^Thread [0-9]* (Thread' out.txt)" = 4 ] || fail "not four threads"

# Variables of each thread's frames, by its name in libthread_db.
remount "$parent"
look 600000 gdb -nx -batch \
	-ex 'thread apply all -q frame function leaf' \
	-ex 'thread apply all -q p thread_number' \
	-ex 'thread apply all -q -s -- bt -full' "$victim" "$core"
want 'secret = 4001' 'secret = 4002' 'secret = 4003' 'weight = 9$' \
	'inside = 1010' 'local = 203' '= 1$' '= 2$' '= 3$' '= 100$'

remount "$parent"
look 2000000 eu-stack --core="$core"
[ "$(grep -c '^TID' out.txt)" = 4 ] || fail "eu-stack: $(cat out.txt)"
[ "$(grep -c ' leaf$' out.txt)" = 3 ] || fail "eu-stack: $(cat out.txt)"
[ "$(grep -c ' middle$' out.txt)" = 6 ] || fail "eu-stack: $(cat out.txt)"

remount "$parent"
look 2000000 eu-unstrip -n --core="$core"
id=$(readelf -n "$victim" | awk '/Build ID/ { print $3 }')
want "$id.*$victim" 'libc.so.6' 'linux-vdso' 'ld-linux'

# The notes are those that gdb's own gcore writes, in kind and size.
# (gdb 13 does not know the kernel's size of X86_XSTATE on every CPU.)
notes() {
	readelf -nW "$1" | awk '$1 == "CORE" || $1 == "LINUX" {
		if ($3 != "NT_X86_XSTATE" && $3 != "NT_FILE") print $1, $2, $3
	}' | sort -u
}
gcore -o gcore "$parent" >gcore.txt 2>&1 || fail "$(cat gcore.txt)"
diff <(notes "gcore.$parent") <(notes "$core") || fail "the notes differ"

# ---- a copy of the core, without the mount ----

cp --sparse=always "$core" copied
[ "$(stat -c %b copied)" -le $(($(stat -c %b "$core") + 64)) ] ||
	fail "the copy is not sparse"
cmp "$core" copied || fail "the copy differs"
umount "$mnt"
gdb -nx -batch -ex 'thread apply all bt' "$victim" copied >out.txt 2>err.txt
[ "$(grep -c '^#[0-9]* .*leaf (item=' out.txt)" = 3 ] ||
	fail "the copied core: $(cat out.txt err.txt)"
kill -9 "$parent"
wait "$parent" || true

# ---- a Python with numpy: about thirty libraries ----

cat >parent.py <<'END'
import numpy, os, threading
array = numpy.zeros(8 << 20)
array[::65536] = 1
never = threading.Event()
for _ in range(3):
    threading.Thread(target=never.wait, daemon=True).start()
os.write(1, b"ready\n")
never.wait()
END
start python env OPENBLAS_NUM_THREADS=1 /usr/bin/python3 parent.py
parent=$pid
wait_ready python "$parent"
remount "$parent"
exe=$(readlink -f /usr/bin/python3)
look 900000 gdb -nx -batch -ex 'thread apply all bt' \
	-ex 'info registers' "$exe" "$core"
[ "$(grep -c '^Thread [0-9]* (Thread' out.txt)" = 4 ] || fail "not four threads"
[ "$(grep -c 'Py_BytesMain' out.txt)" = 1 ] || fail "no main thread"
[ "$(grep -c 'start_thread' out.txt)" = 3 ] || fail "not three workers"
remount "$parent"
look 20000000 eu-unstrip -n --core="$core"
want "$exe" 'libc.so.6' 'multiarray'
umount "$mnt"
kill -9 "$parent"
wait "$parent" || true
expect_nothing_left
