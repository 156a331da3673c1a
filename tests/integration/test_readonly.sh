#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_readonly.sh - nothing in a mount can be changed, by any way of writing:
# each is EROFS, for root and for the user who mounted
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs
need_programs setfattr setpriv fusermount3

cat >writes.py <<'END'
"""Each way to write below the mount at argv[1]: prints those that are not EROFS,
and how many were."""
import ctypes, errno, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
top = sys.argv[1]
area = f"{top}/image/vma/" + os.listdir(f"{top}/image/vma")[0]
link = f"{top}/image/cwd"
dirs = [top, f"{top}/image", f"{top}/image/vma", f"{top}/image/fd"]
files = [f"{top}/status", f"{top}/core", f"{top}/image/maps", area,
         f"{top}/image/mem", f"{top}/image/exe", f"{top}/image/descriptor"]
done = 0

def must_fail(what, function, *arguments):
    global done
    try:
        function(*arguments)
        print(f"{what}: done")
    except OSError as error:
        done += error.errno == errno.EROFS
        if error.errno != errno.EROFS:
            print(f"{what}: {errno.errorcode[error.errno]}")

def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)

for path in dirs:
    new = f"{path}/new"
    must_fail(f"creat {new}", os.open, new, os.O_CREAT | os.O_WRONLY)
    must_fail(f"mkdir {new}", os.mkdir, new)
    must_fail(f"symlink {new}", os.symlink, "x", new)
    must_fail(f"link {new}", os.link, files[0], new)
    must_fail(f"fifo {new}", os.mkfifo, new)
    must_fail(f"socket {new}", os.mknod, new, stat.S_IFSOCK | 0o600)
    must_fail(f"node {new}", os.mknod, new, stat.S_IFREG | 0o600)
    must_fail(f"rename in {path}", os.rename, files[0], new)
    must_fail(f"tmpfile {path}", os.open, path, os.O_TMPFILE | os.O_RDWR)
for path in dirs + files:
    must_fail(f"chmod {path}", os.chmod, path, 0o777)
    must_fail(f"chown {path}", os.chown, path, os.getuid(), os.getgid())
    must_fail(f"utime {path}", os.utime, path, (1, 1))
    must_fail(f"touch {path}", os.utime, path)
    must_fail(f"setxattr {path}", os.setxattr, path, "user.x", b"y")
    must_fail(f"removexattr {path}", os.removexattr, path, "user.mitosis.addr")
for path in dirs[1:]:
    must_fail(f"rmdir {path}", os.rmdir, path)
for path in files + [link]:
    must_fail(f"unlink {path}", os.unlink, path)
    must_fail(f"rename {path}", os.rename, path, path + ".old")
for path in files:
    for name in "O_WRONLY", "O_RDWR", "O_WRONLY|O_APPEND", "O_RDWR|O_TRUNC":
        flags = sum(getattr(os, word) for word in name.split("|"))
        must_fail(f"open {name} {path}", os.open, path, flags)
    must_fail(f"truncate {path}", os.truncate, path, 0)
    # By a descriptor that is open for reading there is no way either.
    fd = os.open(path, os.O_RDONLY)
    must_fail(f"fchmod {path}", os.fchmod, fd, 0o777)
    must_fail(f"futimens {path}", os.utime, fd)
    must_fail(f"fsetxattr {path}", os.setxattr, fd, "user.x", b"y")
    for name, function in ("write", lambda: os.write(fd, b"x")), \
            ("ftruncate", lambda: os.ftruncate(fd, 0)), \
            ("fallocate", lambda: os.posix_fallocate(fd, 0, 1)):
        try:
            function()
            print(f"{name} {path}: done")
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.EINVAL):
                print(f"{name} {path}: {errno.errorcode[error.errno]}")
    os.close(fd)
must_fail("lchown", os.lchown, link, os.getuid(), os.getgid())
print(done)
END

# try COMMAND...: the tool fails, and says that the file system is read-only.
bad=0
try() {
	if "${as[@]}" "$@" >said.txt 2>&1 || ! grep -q 'Read-only' said.txt; then
		echo "not read-only: $*: $(head -1 said.txt)"
		bad=1
	fi
}

# check WHO: all ways, by what is in $as.
check() {
	local top=$mnt file where before
	before=$("${as[@]}" find "$mnt" | sort | sha256sum)
	"${as[@]}" /usr/bin/python3 writes.py "$mnt" >"writes.$1"
	sed '$d' "writes.$1" | grep . && bad=1
	[ "$(tail -1 "writes.$1")" -ge 178 ] ||
		fail "$1: only $(tail -1 "writes.$1") writes were refused"
	file=$("${as[@]}" find "$top/image/vma" -type f -print -quit)
	for where in "$top" "$top/image" "$top/image/vma"; do
		try touch "$where/new"
		try mkdir "$where/new"
		try ln -s x "$where/new"
		try ln "$file" "$where/new"
		try cp writes.py "$where/new"
		try mknod "$where/new" p
		try touch -d @1 "$where"
		try chmod 777 "$where"
		try setfattr -n user.x -v y "$where"
	done
	for file in "$file" "$top/image/maps" "$top/status"; do
		try touch "$file"
		try rm -f "$file"
		try mv "$file" "$file.old"
		try mv "$file" "$top/new"
		try chmod u+w "$file"
		try truncate -s 0 "$file"
		try fallocate -l 1M "$file"
		try setfattr -n user.x -v y "$file"
		try dd if=/dev/zero of="$file" count=1 conv=notrunc
	done
	try rmdir "$top/image/vma"
	try rm -rf "$top/image"
	[ "$before" = "$("${as[@]}" find "$mnt" | sort | sha256sum)" ] ||
		fail "the tree has changed"
}

mkdir "$mnt"
start root sleep 300
mount_image "local:/pid/$pid"
as=(env)
check root
umount "$mnt"

# The user who may read all of it, because it is his.
chmod 755 .
chown 65534:65534 "$mnt"
as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
start nobody "${as[@]}" sleep 300
nobody=$pid
wait_for 20 grep -q sleep "/proc/$nobody/comm"
"${as[@]}" "$tools/mitosisfs" "local:/pid/$nobody" "$mnt"
check nobody
"${as[@]}" fusermount3 -u "$mnt"
exit $bad
