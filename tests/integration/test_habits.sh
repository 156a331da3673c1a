#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_habits.sh - a mount behaves as mount(8), fstab(5), umount(8), findmnt and
# df are used to, under the names that an installation has; in a mount namespace
# of its own, where /sbin has our helpers
if [ "$(id -u)" = 0 ] && [ -z "${OWN_MOUNTS-}" ]; then
	OWN_MOUNTS=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosisd mitosisctl
need_programs setpriv fusermount3 findmnt

sbin=$(realpath /sbin)
mkdir "$mnt" "$dir/sbin"
mount --bind "$sbin" "$dir/sbin"
mount -t tmpfs -o mode=755 none "$sbin"
ln -s "$dir"/sbin/* "$sbin/"
for name in mount.mitosisfs mount.fuse.mitosisfs; do
	ln -sf "$tools/mitosisfs" "$sbin/$name"
done

start sleeper sleep 300
sleeper=$pid
source=local:/pid/$sleeper

# expect STATUS WORDS COMMAND...: it ends so, and says so.
expect() {
	local want=$1 words=$2 status=0
	shift 2
	timeout 60 "$@" >said.txt 2>&1 || status=$?
	[ $status = "$want" ] ||
		fail "'$*' ended with $status, not $want: $(cat said.txt)"
	[ -z "$words" ] || grep -qi -- "$words" said.txt || fail "'$*' says: $(cat said.txt)"
}

# By the kernel's table: root may not look into a user's mount.
is_mounted() {
	findmnt -rnM "$mnt" >/dev/null
}
not_mounted() {
	! is_mounted
}
the_server() {
	pgrep -f "^[^ ]*mitosisfs.* $mnt( |\$)" | head -1
}
no_server() {
	[ -z "$(the_server)" ]
}
end_mount() {
	umount "$@" "$mnt"
	not_mounted || fail "umount $*: still mounted"
	wait_for 20 no_server
}

# Both names, and what tools say then.
for type in mitosisfs fuse.mitosisfs; do
	mount -t $type "$source" "$mnt"
	is_mounted || fail "mount -t $type did not mount"
	mountpoint -q "$mnt" || fail "mountpoint does not see it"
	[ "$(findmnt -rno SOURCE,FSTYPE,TARGET "$mnt")" = \
		"$source fuse.mitosisfs $mnt" ] ||
		fail "findmnt: $(findmnt -rno SOURCE,FSTYPE,TARGET "$mnt")"
	for word in ro nosuid nodev; do
		findmnt -rno VFS-OPTIONS "$mnt" | grep -qw $word ||
			fail "the mount is not $word"
	done
	end_mount
done

# df: what the image holds, and no room.
mount -t mitosisfs "$source" "$mnt"
pages=$(sed -n 's/^pages_present: //p' "$mnt/status")
read -r _ type size used free percent _ < <(df -PTk "$mnt" | tail -1)
[ "$type $size $used $free $percent" = \
	"fuse.mitosisfs $((pages * 4)) $((pages * 4)) 0 100%" ] ||
	fail "df: $type $size $used $free $percent"

# An image never changes; and one mount point is one mount.
expect 1 'remount is not possible' mount -o remount "$mnt"
expect 1 'remount is not possible' mount -o remount,rw "$mnt"
is_mounted || fail "remount has unmounted"

# umount -l: out of sight at once, over when the last file is closed.
exec 7<"$mnt/image/maps"
umount -l "$mnt"
not_mounted || fail "umount -l: still mounted"
[ -n "$(the_server)" ] || fail "umount -l ended a mount in use"
head -c 1 <&7 >/dev/null || fail "an open file cannot be read after umount -l"
exec 7<&-
wait_for 20 no_server
mount -t mitosisfs "$source" "$mnt"
end_mount -f

# Words of mount(8): -f only looks, -s takes what it does not know.
expect 0 '' mount -f -t mitosisfs "$source" "$mnt"
not_mounted || fail "mount -f has mounted"
expect 1 "'wsize=8' is not known" mount -t mitosisfs -o wsize=8 "$source" "$mnt"
expect 0 '' mount -s -t mitosisfs -o wsize=8 "$source" "$mnt"
end_mount
# Its helper's line, of which it uses what it needs.
expect 0 '' "$sbin/mount.mitosisfs" "$source" "$mnt" -fv
not_mounted || fail "-fv has mounted"
expect 0 '' "$sbin/mount.mitosisfs" "$source" "$mnt" -snv -t mitosisfs -o ro,wsize=8
end_mount
expect 1 'nsenter' "$sbin/mount.mitosisfs" "$source" "$mnt" -N /proc/1/ns/mnt
expect 0 '' mount -t mitosisfs -o ro,noatime,nodiratime,relatime,comment=x \
	"$source" "$mnt"
end_mount

# Exit codes.
expect 1 'source' "$sbin/mount.mitosisfs"
expect 1 'noexec' mount -t mitosisfs -o noexec "$source" "$mnt"
expect 1 'timeo' mount -t mitosisfs -o timeo=never "$source" "$mnt"
expect 1 'nosuid' "$tools/mitosisfs" "$source" "$mnt" -o suid
expect 32 'no such process' mount -t mitosisfs local:/pid/4194303 "$mnt"
expect 32 'is it running' mount -t mitosisfs -o port=1 127.0.0.1:/pid/1 "$mnt"
expect 32 'no such file' mount -t mitosisfs "$source" "$dir/none"
expect 32 'not a dir' mount -t mitosisfs "$source" "$dir/said.txt"
not_mounted || fail "a failure has mounted"

# fstab: by the mount point alone, and not by mount -a.
words=_netdev,nofail,noauto,x-systemd.automount,x-systemd.idle-timeout=60
echo "$source $mnt mitosisfs $words,retry=1,timeo=20 0 0" >fstab
mount -T "$dir/fstab" -a
not_mounted || fail "noauto was mounted by mount -a"
mount -T "$dir/fstab" "$mnt"
is_mounted || fail "a line of fstab does not mount"
end_mount
sed 's/noauto,//; s/x-systemd[^,]*,//g' fstab >fstab.auto
mount -T "$dir/fstab.auto" -a
is_mounted || fail "mount -a does not mount"
mount -T "$dir/fstab.auto" -a
[ "$(our_mounts | grep -cx "$mnt")" = 1 ] || fail "mount -a mounted it twice"
end_mount
generator=/usr/lib/systemd/system-generators/systemd-fstab-generator
if [ -x $generator ]; then
	mkdir units
	sed "s,$mnt,/mnt/night," fstab >fstab.unit
	SYSTEMD_FSTAB=$dir/fstab.unit $generator units units units
	grep -q '^Type=mitosisfs$' units/mnt-night.mount ||
		fail "systemd makes no mount unit"
	[ -e units/mnt-night.automount ] || fail "systemd makes no automount"
	grep -q local-fs units/mnt-night.mount &&
		fail "systemd takes it for a local file system"
fi

# uid= and gid= are shown, and with allow_other decide.
expect 0 '' mount -t mitosisfs -o allow_other,uid=65534,gid=65533 "$source" "$mnt"
[ "$(stat -c %u:%g "$mnt" "$mnt/image/maps" | sort -u)" = 65534:65533 ] ||
	fail "uid= is not shown: $(stat -c %u:%g "$mnt" "$mnt/image/maps")"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
other=(setpriv --reuid 1 --regid 1 --clear-groups)
"${nobody[@]}" cat "$mnt/image/maps" >/dev/null ||
	fail "the user of uid= may not read"
expect 1 'permission denied' "${other[@]}" cat "$mnt/image/maps"
end_mount

# A server that is killed leaves a dead mount, or none with auto_unmount.
mount -t mitosisfs "$source" "$mnt"
kill -9 "$(the_server)"
wait_for 20 no_server
expect 2 'not connected' ls "$mnt"
expect 32 'umount it first' mount -t mitosisfs "$source" "$mnt"
umount "$mnt"
mount -t mitosisfs -o auto_unmount "$source" "$mnt"
[ "$(findmnt -rno FSTYPE "$mnt")" = fuse.mitosisfs ] ||
	fail "auto_unmount: type $(findmnt -rno FSTYPE "$mnt")"
kill -9 "$(the_server)"
wait_for 20 not_mounted

# A user mounts an image of what is his, and of nothing else.
chown 65534:65534 "$mnt"
start his "${nobody[@]}" sleep 300
his=$pid
wait_for 20 grep -q sleep "/proc/$his/comm"
expect 32 'may not trace' "${nobody[@]}" "$tools/mitosisfs" "$source" "$mnt"
expect 0 '' "${nobody[@]}" "$tools/mitosisfs" "local:/pid/$his" "$mnt"
[ "$(findmnt -rno SOURCE,FSTYPE "$mnt")" = "local:/pid/$his fuse.mitosisfs" ] ||
	fail "findmnt: $(findmnt -rno SOURCE,FSTYPE "$mnt")"
grep -qw "user_id=65534" <(findmnt -rno FS-OPTIONS "$mnt") || fail "not his mount"
expect 0 sleep "${nobody[@]}" cat "$mnt/image/comm"
expect 2 'permission denied' "${other[@]}" ls "$mnt"
expect 2 'permission denied' ls "$mnt" # root neither
expect 32 '' "${other[@]}" umount "$mnt"
is_mounted || fail "another user has unmounted"
expect 0 '' "${nobody[@]}" umount "$mnt"
not_mounted || fail "who mounted cannot unmount"
wait_for 20 no_server
if ! grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
	expect 32 user_allow_other "${nobody[@]}" "$tools/mitosisfs" \
		"local:/pid/$his" "$mnt" -o allow_other
	not_mounted || fail "mounted in spite of allow_other"
fi

# retry: the mount command waits for a host that comes later.
start_daemon
start relay /usr/bin/python3 "$here/relay.py" "$port"
relay=$pid
wait_ready relay "$relay"
read -r relay_port <relay.out
kill -USR1 "$relay"
wait_for 20 has_line relay.out cut
mount -t mitosisfs "127.0.0.1:/pid/$sleeper" "$mnt" \
	-o "port=$relay_port,proto=tcp,retry=2" 2>retry.err &
mounter=$!
wait_for 20 grep -q 'trying for 2 min' retry.err
not_mounted || fail "mounted without a daemon"
kill -0 $mounter || fail "mount did not wait"
kill -USR2 "$relay"
expect_exit $mounter 0 "mount with retry="
is_mounted || fail "retry= did not mount"
end_mount
# A refusal ends it at once.
expect 32 'no such process' mount -t mitosisfs 127.0.0.1:/pid/4194303 "$mnt" \
	-o "port=$relay_port,proto=tcp,retry=2"

umount -l "$sbin" "$dir/sbin"
kill "$relay" "$sleeper" "$his"
stop_daemon
expect_nothing_left
