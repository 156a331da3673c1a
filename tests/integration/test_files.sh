#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_files.sh - mapped files, from the parent's host
#
# They are what the parent has mapped and not what lies at a path by now; a
# debugger needs nothing else; whoever may not read a file there has nothing of
# it here.
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl
need_programs gdb cmp setpriv ldd

moved() {
	awk '$1 == "bytes_read:" { print $2 }' "$mnt/status"
}

# ---- a debugger without the libraries of this host ----

# A world of its own for the parent: what is in it is hidden from gdb below.
victim=$build/tests/integration/victim
mkdir world
while read -r file; do
	install -D "$(readlink -f "$file")" "world/usr${file#/usr}"
done < <(ldd "$victim" | grep -o '/[^ ]*')
ln -s usr/lib usr/lib64 world
install "$victim" world/usr/lib/victim
start victim chroot world /usr/lib/victim
parent=$pid
wait_ready victim "$parent"
start_daemon
mount_image "127.0.0.1:/pid/$parent" "port=$port"
find "$mnt/files" >found.txt
ls -lR "$mnt/image/files/" >/dev/null
[ "$(moved)" = 0 ] || fail "a mount and a listing moved bytes"

exe=$mnt/files$dir/world/usr/lib/victim
[ -f "$exe" ] || fail "no program among: $(cat found.txt)"
cat >debug.sh <<'END'
mount --make-rprivate / && mount -t tmpfs none world && exec "$@"
END
look() {
	timeout 100 unshare --mount sh debug.sh gdb -nx -batch \
		-iex "set sysroot $mnt/image/files" -iex 'set auto-load off' \
		-ex 'info sharedlibrary' -ex 'thread apply all bt' \
		-ex 'p *items[2].next' "$exe" "$mnt/image/core" \
		>out.txt 2>err.txt </dev/null || fail "gdb: $(tail -3 err.txt)"
}
look
bytes=$(moved)
echo "gdb moved $bytes bytes"
[ "$bytes" -le 3000000 ] || fail "gdb moved $bytes bytes"
! grep -iE 'could not|mismatch|not found|no symbol' err.txt out.txt ||
	fail "gdb misses something"
grep -qE "Yes.* $mnt/image/files/.*/libc.so.6" out.txt ||
	fail "no libc of the parent's: $(cat out.txt)"
[ "$(grep -cE "^0x.*Yes.* $mnt/image/files/" out.txt)" = \
	"$(grep -cE '^0x[0-9a-f]+ +0x' out.txt)" ] ||
	fail "a library of this host: $(cat out.txt)"
[ "$(grep -c '^#[0-9]* .*leaf (item=' out.txt)" = 3 ] ||
	fail "not three threads in leaf(): $(cat out.txt err.txt)"
grep -qE '^#[0-9]+ .* (start_thread|clone3) ' out.txt ||
	fail "no symbols of libc: $(cat out.txt)"
grep -q 'name = .*"item' out.txt || fail "no variables: $(cat out.txt)"
look
again=$(($(moved) - bytes))
[ $again -le 131072 ] || fail "gdb moved $again bytes once more"
umount "$mnt"
kill -9 "$parent"
wait "$parent" || true

# ---- each file is the one that is mapped ----

cat >parent.py <<'END'
import mmap, os, sys
held = []
def hold(what):
    fd = what if isinstance(what, int) else os.open(what, os.O_RDONLY)
    held.append(mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ))
os.chdir(sys.argv[1])
for name in ["kept", "gone", "new", "odd (deleted)", "grows", "touched"]:
    hold(name)
if len(sys.argv) > 2:
    hold(int(sys.argv[2])) # what somebody else opened for us
os.write(1, b"mapped\n")
sys.stdin.readline()
hold("new")
os.write(1, b"ready\n")
sys.stdin.readline()
END
mkdir -m 755 data
for name in kept gone new 'odd (deleted)' grows touched; do
	/usr/bin/python3 -c 'import random, sys
random.seed(sys.argv[1])
sys.stdout.buffer.write(random.randbytes(300001))' "$name" >"data/$name"
done
cp data/gone gone.was
cp data/new new.was
chmod 640 data/kept
mkfifo say
# run NAME COMMAND...: its input is what is written to descriptor 7.
run() {
	start "$1" sh -c 'exec "$@" <say' sh "${@:2}"
	parent=$pid
	exec 7>say
	wait_for 20 has_line "$1.out" mapped
}
run parent /usr/bin/python3 parent.py "$dir/data"
rm data/gone
cp data/kept data/next
mv data/next data/new
echo >&7
wait_ready parent "$parent"
mount_image "127.0.0.1:/pid/$parent" "port=$port"
files=$mnt/files$dir/data
cmp "$files/kept" data/kept
cmp "$files/gone" gone.was
cmp "$files/new" data/new
cmp "$files/new (deleted)" new.was
cmp "$files/odd (deleted)" "data/odd (deleted)"
[ "$(stat -c '%s %a %y' "$files/kept")" = \
	"$(stat -c '%s %a %y' data/kept)" ] || fail "stat: $(stat "$files/kept")"
[ "$(moved)" = $((5 * 300001)) ] || fail "moved $(moved) bytes"
cat "$files/kept" "$files/gone" >/dev/null
[ "$(moved)" = $((5 * 300001)) ] || fail "a second reader moved bytes"

# All that Python itself has mapped is as it lies here.
while read -r file; do
	here_too=${file#"$mnt/files"}
	cmp "$file" "$here_too"
	[ "$(stat -c '%s %a %y' "$file")" = \
		"$(stat -c '%s %a %y' "$here_too")" ] || fail "stat of $file"
done < <(find "$mnt/files/usr" -type f)
[ "$(readlink "$mnt/image/root")" = parent:/ ] || fail "root"
[ "$(readlink -f "$mnt/image/files/lib64/ld-linux-x86-64.so.2")" = \
	"$mnt/files$(readlink -f /lib64/ld-linux-x86-64.so.2)" ] ||
	fail "the linker's name"
cmp "$mnt/image/exe" "$mnt/files$(readlink -f /usr/bin/python3)"

# A file that is changed afterwards has no further bytes here; others do.
echo more >>data/grows
touch -d '2001-02-03' data/touched
for name in grows touched; do
	! cat "$files/$name" >/dev/null 2>why.txt || fail "$name was read"
	grep -q 'Input/output error' why.txt || fail "$name: $(cat why.txt)"
done
cmp "$files/kept" data/kept
cmp -n 4096 "$mnt/image/exe" /usr/bin/python3

# A copy of the image is without them; with them the link between holds.
mkdir -p copy/files
cp -a "$mnt/image" copy
[ -h copy/image/files ] || fail "no link in the copy"
! ls -L copy/image/files | grep . || fail "the copy of an image has files"
cp -a "$mnt/files/usr" copy/files
cmp "copy/image/files$(readlink -f /usr/bin/python3)" /usr/bin/python3
umount "$mnt"
echo >&7
exec 7>&-
wait "$parent" || fail "the parent ended with $?"

# ---- who may not read a file there ----

# Root opens a file, and a user's process maps it.
/usr/bin/python3 -c 'print("the secret of root " * 1000)' >secret
chmod 600 secret
cp data/kept data/gone
chmod 644 data/*
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
run other "${as_nobody[@]}" /usr/bin/python3 parent.py "$dir/data" 5 5<secret
echo >&7
wait_ready other "$parent"
"${as_nobody[@]}" "$tools/mitosisctl" --socket "$socket" prepare "$parent" \
	--name theirs >/dev/null || fail "a user cannot image its process"
mount_image "unix:/image/theirs" "socket=$socket"
cmp "$mnt/files$dir/data/kept" data/kept
[ ! -e "$mnt/files$dir/secret" ] || fail "a file that its user may not read"
index=$(/usr/bin/python3 -c 'import json, sys
files = json.load(open(sys.argv[1]))["mapped_files"]
print([i for i in range(len(files)) if files[i]["path"] == sys.argv[2]
       and not files[i]["readable"]][0])' "$mnt/image/image.json" "$dir/secret")
umount "$mnt"
cat >ask.py <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import mtfs
client = mtfs.Client(sys.argv[2])
handle, desc = client.open(b"theirs")
for index, want in (int(sys.argv[3]), -13), (10000, -22), (65535, -22):
    client.ask_read(handle, 0, 100, 0, mtfs.MAPPED + index)
    number, status, body = client.receive()
    assert status == want and b"secret of" not in body, (status, body)
END
/usr/bin/python3 ask.py "$here" "$socket" "$index" ||
	fail "a file that may not be read"

# The same process, imaged by root, shows it.
mount_image "unix:/pid/$parent" "socket=$socket"
cmp "$mnt/files$dir/secret" secret
umount "$mnt"
exec 7>&-
wait "$parent" || true
stop_daemon
expect_nothing_left
