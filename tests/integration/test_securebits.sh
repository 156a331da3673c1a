#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_securebits.sh - a parent whose root has no powers has children whose root has
# none, also of programs that they start
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs setpriv

# Tells what it is, and what a program is that it starts.
cat >parent.py <<'END_PY'
import ctypes, subprocess, sys
libc = ctypes.CDLL(None)
print('ready', flush=True)
sys.stdin.readline()
print(hex(libc.prctl(27)), subprocess.run(
    ['sed', '-n', 's/^CapEff:[^0-9a-f]*//p', '/proc/self/status'],
    stdout=subprocess.PIPE).stdout.decode().strip(), flush=True)
END_PY
mkfifo never
exec 7<>never
none=0000000000000000

# parent NAME COMMAND...: which runs the program, with setpriv, say
parent() {
	local name=$1
	shift
	start "$name" "$@" sh -c 'exec /usr/bin/python3 parent.py <never 7>&-'
	parent=$pid
	wait_ready "$name" "$parent"
	mount_image "local:/pid/$parent"
}

# child WANT COMMAND...
child() {
	local want=$1 status=0
	shift
	echo | timeout 60 "$@" >out.txt 2>&1 || status=$?
	[ "$status $(cat out.txt)" = "0 $want" ] ||
		fail "with $*: $status, not '$want' but $(cat out.txt)"
}

load=$tools/mitosis-load
parent noroot setpriv --securebits=+noroot,+noroot_locked,+no_setuid_fixup \
	--inh-caps=-all
for way in --memory=shared --memory=own --pid=new; do
	child "0x7 $none" "$load" $way "$mnt/image"
done
start_server local-shared
child "0x7 $none" "$load" --at="$dir/serve.sock"
stop_server
umount "$mnt"

user=65534
as_user=(setpriv --reuid $user --regid $user --clear-groups)
parent user "${as_user[@]}" --securebits=+noroot,+noroot_locked --inh-caps=-all
child "0x3 $none" "$load" "$mnt/image"
# Its user alone cannot make one.
cp -a "$mnt/image" copy
chown -R $user copy
refused "the image has securebits 0x3" "${as_user[@]}" "$load" --pid=new copy
umount "$mnt"

# What its user has set and cannot clear is no reason to refuse one without.
parent plain "${as_user[@]}" --inh-caps=-all
rm -r copy
cp -a "$mnt/image" copy
chown -R $user copy
for bits in +noroot +noroot,+noroot_locked; do
	child "$(printf '0x%x' $((${#bits} > 7 ? 3 : 1))) $none" \
		"${as_user[@]}" --securebits=$bits --inh-caps=-all "$load" --pid=new copy
done
umount "$mnt"
