#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_package.sh - the Debian package: built, liked by lintian, and in a chroot
# installed, used, upgraded and purged, with nothing left
#
# The chroot's base is kept as a tar file in MITOSIS_DEB_CACHE, by default
# ~/.cache/mitosisfs/deb; without it debootstrap takes it from the archive that
# this machine's apt uses.
LIMIT=${LIMIT:-1500}
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs
need_programs dpkg-buildpackage dh lintian debootstrap scdoc git tar
source=$(git -C "$here" rev-parse --show-toplevel 2>/dev/null) ||
	skip "the sources are not in a git repository"
cache=${MITOSIS_DEB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mitosisfs/deb}
quick=$(command -v eatmydata || true)

# Who builds by hand needs what the package's build needs.
listed() {
	awk '$1 == "build" { print $2 }' "$source/tools/packages.txt" |
		grep -vxE 'gcc|libc6-dev|ninja-build' | sort
}
named() {
	sed -n '/^Build-Depends:/,/^Standards/{
		s/^Build-Depends://
		s/ *\([^ ,]*\).*/\1/
		/^debhelper\|^dh-\|^Standards/!p
	}' "$source/debian/control" | sort
}
diff <(listed) <(named) ||
	fail "debian/control and tools/packages.txt differ on what a build needs"

mkdir src
git -C "$source" ls-files -z --cached --others --exclude-standard |
	(cd "$source" && xargs -0 tar c --ignore-failed-read 2>/dev/null) |
	tar x -C src
(cd src && DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc)" $quick \
	dpkg-buildpackage -b -us -uc) >build.out 2>&1 ||
	fail "the package does not build"
lintian --allow-root --fail-on error,warning ./*.changes >lintian.out 2>&1 ||
	fail "lintian complains"
deb=$(echo "$dir"/mitosisfs_*.deb)

# A base of Debian with what the package needs, but for itself.
needs() {
	dpkg-deb -f "$deb" Depends | tr ',' '\n' |
		sed -E 's/^ *([a-z0-9.+-]+).*/\1/;
			s/^systemd$/systemd-standalone-sysusers/' | sort -u
}
# shellcheck source=/etc/os-release
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: '"$suite" \
	'Created-By: Packages' | head -1)
key=$(needs | sha256sum | cut -c1-12)
base=$cache/$suite-$key.tar
root=$dir/root
mkdir -p "$cache" "$root"
if [ ! -s "$base" ]; then
	[ -n "$mirror" ] || skip "apt knows no archive of $suite"
	if ! $quick debootstrap --variant=minbase \
		--include="$(needs | paste -sd,)" \
		"$suite" "$root" "$mirror" >debootstrap.out 2>&1; then
		grep -qiE 'resolve|connect|download|InRelease' \
			debootstrap.out &&
			skip "debootstrap cannot reach the archive"
		fail "debootstrap failed"
	fi
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
	rm -f "$cache/$suite"-*.tar # of other needs
	tar c -C "$root" --one-file-system . >"$base.$$"
	mv "$base.$$" "$base"
else
	tar x -C "$root" <"$base"
fi
inside() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"
}
apt_like() {
	cp "$1" "$root/tmp/it.deb"
	inside dpkg --force-unsafe-io --install /tmp/it.deb >>dpkg.out 2>&1 ||
		fail "dpkg does not install ${1##*/}"
	rm "$root/tmp/it.deb"
}
# All that an installation may leave behind: names and modes, and who there is.
portrait_of_root() {
	(cd "$root" && find . -xdev \
		\( -path ./proc -o -path ./dev -o -path ./sys -o -path ./tmp \
		-o -path ./var/lib/dpkg -o -path ./var/log \
		-o -path ./var/cache \) -prune -o -printf '%M %u %g %p\n' |
		grep -vE ' \./etc/((passwd|group|shadow|gshadow)-|\.pwd\.lock)$' |
		sort)
	cat "$root/etc/passwd" "$root/etc/group"
}
portrait_of_root >before.txt

apt_like "$deb"
grep -q '^mitosis:' "$root/etc/passwd" || fail "the daemon's user is missing"
! find "$root/etc/systemd" -name 'mitosisd*' | grep . ||
	fail "a unit was enabled without anybody's wish"
for program in mitosisfs mitosisd mitosisctl mitosis-load mitosis-bench; do
	inside "$program" --help >help.txt || fail "$program --help failed"
	[ -s help.txt ] || fail "$program has no help"
	find "$root"/usr/share/man/man[18] -name "$program.*.gz" | grep -q . ||
		fail "$program has no manual page"
	[ -e "$root/usr/share/bash-completion/completions/$program" ] ||
		fail "$program is not completed"
done

# It works from where it was installed: image, mount(8), a child.
mount -t proc proc "$root/proc"
[ -e "$root/dev/fuse" ] || mknod -m 666 "$root/dev/fuse" c 10 229
cat >"$root/tmp/parent.sh" <<'PARENT'
echo ready
until [ -e /tmp/go ]; do sleep 0.05; done
echo ok
PARENT
start parent chroot "$root" sh /tmp/parent.sh
parent=$pid
wait_ready parent "$parent"
# umount(8) of this test's mounts ends with the test.
inside mount -t mitosisfs "local:/pid/$parent" /mnt ||
	fail "mount -t mitosisfs does not work in the chroot"
grep -q " $root/mnt fuse.mitosisfs " /proc/self/mounts ||
	fail "nothing is mounted"
touch "$root/tmp/go"
child=$(timeout 60 chroot "$root" mitosis-load /mnt/image) ||
	fail "mitosis-load does not work in the chroot"
[ "${child##*$'\n'}" = ok ] || fail "the child said: $child"
expect_ok parent "$parent"
umount "$root/mnt"
wait_for 60 umount "$root/proc" 2>/dev/null # what served the image ends
rm -f "$root"/tmp/parent.sh "$root/tmp/go"
[ -s "$root/etc/mitosis/mitosisd.conf" ] || fail "the options' file is missing"

# An upgrade keeps what the admin wrote.
echo '# the admin was here' >>"$root/etc/mitosis/mitosisd.conf"
dpkg-deb -R "$deb" later
sed -i 's/^Version: .*/&+later1/' later/DEBIAN/control
dpkg-deb --root-owner-group -Znone -b later later.deb >/dev/null
apt_like later.deb
inside dpkg-query -W -f '${Version} ${db:Status-Status}\n' mitosisfs |
	grep -q '+later1 installed$' || fail "the upgrade did not happen"
grep -qx '# the admin was here' "$root/etc/mitosis/mitosisd.conf" ||
	fail "the upgrade wrote over the admin's options"

inside dpkg --force-unsafe-io --remove mitosisfs >>dpkg.out 2>&1 ||
	fail "it cannot be removed"
[ ! -e "$root/usr/bin/mitosisfs" ] || fail "removed, and still there"
grep -qx '# the admin was here' "$root/etc/mitosis/mitosisd.conf" ||
	fail "removal took the admin's options along"
inside dpkg --force-unsafe-io --purge mitosisfs >>dpkg.out 2>&1 ||
	fail "it cannot be purged"
portrait_of_root >after.txt
diff before.txt after.txt || fail "something is left after the purge"
! inside dpkg-query -W mitosisfs >/dev/null 2>&1 || fail "dpkg remembers it"
rm -rf "$root"
expect_nothing_left
