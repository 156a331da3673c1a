#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_service.sh - mitosisd as a service: its file of options, sockets that it is
# given, readiness, and the limits of its unit
. "$(dirname "$0")/lib.sh"
need_tools mitosisd mitosisctl mitosisfs mitosis-load
need_programs setpriv unshare
mkdir work

# manager.py CONFIG COMMAND...: a service manager of 30 lines.  Makes the socket,
# starts the command with it, prints what it says about itself.
cat >manager.py <<'END'
import os, signal, socket, sys
folder, command = os.getcwd(), sys.argv[1:]
notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notices.bind(folder + "/notify")
control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
control.bind(folder + "/given.sock")
os.chmod(folder + "/given.sock", 0o666)
control.listen()
pid = os.fork()
if pid == 0:
    os.dup2(control.fileno(), 3, inheritable=True)
    journal = os.open(folder + "/journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(journal, 2)
    stream = os.fstat(2)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1",
                   "NOTIFY_SOCKET": folder + "/notify",
                   "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}"}
    os.execvp(command[0], command)
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
notices.settimeout(30)
for _ in range(2):
    print(notices.recv(4096).decode().replace("\n", " "), flush=True)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END

refused() {
	local words=$1 status=0
	shift
	timeout 20 "$@" >/dev/null 2>why.txt || status=$?
	[ $status = 1 ] && [ "$(wc -l <why.txt)" = 1 ] &&
		grep -qE "$words" why.txt ||
		fail "not refused as '$words': $(cat why.txt)"
}

# The file of options.
mitosisd=$tools/mitosisd
refused 'none.conf: No such file' "$mitosisd" --config "$dir/none.conf"
conf() {
	printf '%s\n' "$@" >my.conf
}
conf 'lease = soon'
refused 'lease soon: a time' "$mitosisd" --config my.conf
conf '[mitosisd]' 'leese = 5m'
refused 'my.conf: leese = 5m: .* no such option' "$mitosisd" --config my.conf
conf '[redis]' 'lease = 5m'
refused 'my.conf: \[redis\]' "$mitosisd" --config my.conf
conf '[mitosisd]' 'foreground = perhaps'
refused 'yes or no' "$mitosisd" --config my.conf
conf '[mitosisd]' 'what is this'
refused 'line 2' "$mitosisd" --config my.conf
conf '[mitosisd]' 'lease = 77s' 'listen = 192.0.2.1'
chmod 666 my.conf
refused 'others can write' "$mitosisd" --config my.conf
chmod 644 my.conf

# As the unit does it: few capabilities, no network, processes seen only where
# they can be traced.  The command line's "listen" goes before the file's.
cat >unit.sh <<'END'
mount --make-rprivate / && mount -t proc -o hidepid=ptraceable proc /proc || exit
caps=-all,+sys_ptrace,+dac_override,+kill,+setuid,+setgid,+sys_admin
exec setpriv --reuid 64999 --regid 64999 --clear-groups --no-new-privs \
	--bounding-set "$caps" --inh-caps "$caps" --ambient-caps "$caps" "$@"
END
start manager /usr/bin/python3 manager.py unshare --mount --net \
	sh "$dir/unit.sh" "$mitosisd" --config "$dir/my.conf" --listen none
manager=$pid
wait_for 20 test -s manager.out
grep -q "^READY=1 STATUS=Serving unix:$dir/given.sock" manager.out ||
	fail "no readiness: $(cat manager.out)"

# A socket that it is given is no way around --sec.
cat >outside.py <<'END'
import os, socket, sys
where = socket.socket()
where.bind(("0.0.0.0", 0))
where.listen()
os.dup2(where.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execvp(sys.argv[1], sys.argv[1:])
END
refused 'cannot listen on 0\.0\.0\.0:[0-9]*: without --sec=munge or psk only' \
	/usr/bin/python3 outside.py "$mitosisd" --listen none --socket none

# A user's process, imaged by its user through the given socket, and loaded.
cat >parent.py <<'END'
import os, sys, time
print("ready", flush=True)
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
print("ok", flush=True)
END
start parent setpriv --reuid 65534 --regid 65534 --clear-groups \
	/usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
ctl=("$tools/mitosisctl" --socket "$dir/given.sock")

# With no filter upon it, as containers.conf has it, the service images what is under one.
cat >filtered.py <<'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(allow)))
for words in (38, 1), (22, 2, ctypes.c_void_p(ctypes.addressof(filter))):
    assert libc.prctl(*words, 0, 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[1], sys.argv[1:])
END
start filtered setpriv --reuid 65534 --regid 65534 --clear-groups \
	/usr/bin/python3 filtered.py /usr/bin/python3 parent.py "$dir/work"
filtered=$pid
wait_ready filtered "$filtered"
grep -qx 'Seccomp:.2' "/proc/$filtered/status" || fail "there is no filter"
"${ctl[@]}" prepare "$filtered" --name filtered >/dev/null ||
	fail "the service does not image a process under seccomp"
"${ctl[@]}" release filtered

# The service's capabilities are no user's: it may image what it could trace.
for other in "$$" "$parent"; do
	refused 'may not trace|No such process' setpriv --reuid 65533 --regid 65533 \
		--clear-groups "${ctl[@]}" prepare "$other"
done
setpriv --reuid 65534 --regid 65534 --clear-groups \
	"${ctl[@]}" prepare "$parent" --name served >/dev/null
"${ctl[@]}" list --json | grep -q '"lease_s": *77' ||
	fail "the file's lease does not count: $("${ctl[@]}" list --json)"
mkdir "$mnt"
"$tools/mitosisfs" unix:/image/served "$mnt" -o "socket=$dir/given.sock"
load_child local-shared child
touch work/go
expect_ok child "$loader"
expect_ok parent "$parent"
expect_ok filtered "$filtered"
umount "$mnt"
kill -TERM "$manager"
expect_exit "$manager" 0 "the service"
has_line manager.out STOPPING=1 || fail "it did not say that it stops"
# 5: LOG_NOTICE.
grep -qE "^<5>image served of pid $parent for user 65534: paused " journal &&
	grep -qxF "<5>image served of pid $parent ended: the daemon ends" journal ||
	fail "the journal does not hear what the daemon does: $(cat journal)"
expect_nothing_left

# The unit that is installed.
need_programs systemd-analyze
mkdir units
cp "$build/dist/mitosisd.service" "$here/../../dist/systemd/mitosisd.socket" units
exposure=$(systemd-analyze security --offline=true units/mitosisd.service |
	sed -nE 's/.*exposure level.*: ([0-9.]+) .*/\1/p')
awk -v it="$exposure" 'BEGIN { exit !(it > 0 && it < 2.0) }' ||
	fail "the unit's exposure is $exposure, not below 2.0"
sed -i "s,^ExecStart=.*,ExecStart=$mitosisd," units/mitosisd.service
systemd-analyze verify units/mitosisd.service units/mitosisd.socket \
	2>verify.txt || true
! grep -vE 'man.*(failed|not found)|Documentation' verify.txt ||
	fail "systemd does not take the unit"

# Nothing of what systemd makes a filter for is left with containers.conf.
mkdir units/mitosisd.service.d
cp "$here/../../dist/systemd/containers.conf" units/mitosisd.service.d
filters='PrivateDevices|ProtectClock|ProtectHostname|ProtectKernel(Logs|Modules|Tunables)'
filters+='|LockPersonality|MemoryDenyWriteExecute|Restrict(Realtime|SUIDSGID)'
filters+='|(RestrictNamespaces|RestrictAddressFamilies|SystemCallFilter)|SystemCallArch'
limits() {
	systemd-analyze security --offline=true units/mitosisd.service |
		grep -cE "^✓ ($filters)" || true
}
[ "$(limits)" = 0 ] ||
	fail "$(limits) limits by filters are left with containers.conf"
mv units/mitosisd.service.d/containers.conf .
[ "$(limits)" -ge 29 ] || fail "the unit alone has $(limits) limits by filters"
mv containers.conf units/mitosisd.service.d
systemd-analyze verify units/mitosisd.service 2>verify.txt || true
! grep -vE 'man.*(failed|not found)|Documentation' verify.txt ||
	fail "systemd does not take containers.conf"
