#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_root.sh - the child of a parent with another root directory has it too, or is
# refused; its descriptors and its directory are found from outside all the same
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs unshare setpriv

mkdir -p jail/inside jail/mark.jail world/inside world/mark.world
echo bytes >jail/inside/file

# Tells the root, the directory, and an open file, of whoever it is by then.
cat >parent.py <<'END_PY'
import os, sys
file = open(sys.argv[1] + '/inside/file')
if len(sys.argv) > 2:
    os.chroot(sys.argv[1])
    os.chdir('/inside')
print('ready', flush=True)
sys.stdin.readline()
mark = [name for name in os.listdir('/') if name.startswith('mark.')]
print(*mark, os.getcwd(), file.read(), flush=True)
END_PY

# parent NAME OPTIONS...: one that waits for a line, which never comes.
exec 7<>"$(mkfifo "$dir/never" && echo "$dir/never")"
parent() {
	local name=$1
	shift
	start "$name" sh -c 'exec "$@" <never 7>&-' sh "$@"
	parent=$pid
	wait_ready "$name" "$parent"
	mount_image "local:/pid/$parent"
}

loader_is=()

# child WANTED OPTIONS...: a child says this.
child() {
	local wanted=$1 status=0
	shift
	echo | "${loader_is[@]}" "$tools/mitosis-load" "$@" "$mnt/image" >out.txt 2>&1 ||
		status=$?
	[ "$status $(head -1 out.txt)" = "0 $wanted" ] ||
		fail "with $*: $status, not '$wanted' but $(cat out.txt)"
}

# refused WORDS OPTIONS...
refused() {
	local words=$1 status=0
	shift
	echo | "${loader_is[@]}" "$tools/mitosis-load" "$@" "$mnt/image" >out.txt 2>&1 ||
		status=$?
	[ $status = 69 ] || fail "with $*: $status, $(cat out.txt)"
	[ "$(wc -l <out.txt)" = 1 ] || fail "more than one line: $(cat out.txt)"
	grep -qF -- "$words" out.txt || fail "not '$words': $(cat out.txt)"
}

parent jailed /usr/bin/python3 parent.py "$dir/jail" chroot
[ "$(readlink "$mnt/image/root")" = "parent:$dir/jail" ] || fail "the image's root"
child 'mark.jail /inside bytes'
child 'mark.jail /inside bytes' --pid=new
child 'mark.jail /inside bytes' --memory=own
refused "$dir/nowhere" --root="$dir/nowhere"
child "$dir/jail/inside bytes" --root=/ # no mark lies in our own root
child 'mark.world /inside bytes' --root="$dir/world" --cwd="$dir/world/inside"
loader_is=(setpriv --bounding-set=-sys_chroot)
refused 'load as root, or give another with --root=PATH'
loader_is=()

# A relative path is one of whoever says it: not the parent's, nor the server's, and
# from outside of the root.
mkdir here
echo said >here/plain
relative() {
	cd here
	child 'mark.jail /inside said' --fd=3=plain "$@"
	child 'mark.world /inside said' --fd=3=./plain --root=../world \
		--cwd=../world/inside "$@"
	rm -f made
	echo | "$tools/mitosis-load" --fd=1=made "$@" "$mnt/image"
	cd "$dir"
	grep -aq 'mark.jail /inside bytes' here/made || fail "no file made here: $*"
	[ -z "$(find . -xdev -name made ! -path ./here/made)" ] || fail "made elsewhere: $*"
}
relative
child 'mark.jail /inside bytes' --exe="$(realpath --relative-to=. /usr/bin/python3)"
status=0
(
	mkdir going
	cd going
	rmdir ../going
	"$tools/mitosis-load" --cwd=inside "$mnt/image"
) >out.txt 2>&1 || status=$?
[ $status = 2 ] && grep -q 'inside: our own working directory' out.txt ||
	fail "from no directory: $status, $(cat out.txt)"

# By a loader that serves: each client as it says.
start_server local-shared
child 'mark.jail /inside bytes' --at="$dir/serve.sock"
relative --at="$dir/serve.sock"
stop_server
umount "$mnt"

# In a container the root is another mount, which is not to be found here: it is no
# change of the root directory.
cat >contained.py <<'END_PY'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1])
assert libc.syscall(155, b'.', b'.') == 0, os.strerror(ctypes.get_errno())
assert libc.umount2(b'.', 2) == 0
os.chdir('/')
print('ready', flush=True)
sys.stdin.readline()
print(os.getcwd(), flush=True)
END_PY
parent contained unshare --mount --propagation private sh -c '
	mount --bind "$1" "$1" && exec /usr/bin/python3 contained.py "$1"' \
	sh "$dir/jail"
[ "$(readlink "$mnt/image/root")" = parent:/ ] || fail "the container's root"
child /
