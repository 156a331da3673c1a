#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_affinity.sh - the CPUs that threads were bound to, as far as the loader may use
# them; and what was not bound is where the loader is
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
need_programs taskset
mapfile -t cpus < <(python3 -c \
	'import os; print(*sorted(os.sched_getaffinity(0))[:2], sep="\n")')
[ ${#cpus[@]} = 2 ] || skip "it takes two CPUs"
a=${cpus[0]} b=${cpus[1]}
all=$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), sep=",")')

# Says to which CPUs its threads are bound: "main", and one for each argument.
cat >parent.py <<'END'
import os, sys, threading
bound = {}
def work(where):
    tid = threading.get_native_id()
    if where != 'any':
        os.sched_setaffinity(tid, {int(where)})
    bound[where] = tid
    ready.wait()
    threading.Event().wait()
ready = threading.Barrier(len(sys.argv))
for where in sys.argv[1:]:
    threading.Thread(target=work, args=[where], daemon=True).start()
ready.wait()
print('ready', flush=True)
sys.stdin.readline()
# The pid is another with --pid=new, and so are the tids.
for where, tid in [('main', None), *bound.items()]:
    tids = sorted(map(int, os.listdir('/proc/self/task')))
    tid = tids[0] if tid is None else tids[1 + list(bound).index(where)]
    print(where, *sorted(os.sched_getaffinity(tid)), sep=',')
sys.stdout.flush()
os._exit(0)
END

# image_of COMMAND...: mount an image of it; its pid in $parent.
image_of() {
	start parent$((++images)) sh -c 'exec "$@" <never 7>&-' sh "$@"
	parent=$pid
	wait_ready parent$images "$parent"
	mount_image "local:/pid/$parent"
}
images=0
mkfifo never
exec 7<>never

# bound WANTED COMMAND...: what a child says that COMMAND loads.
bound() {
	local wanted=$1 said
	shift
	said=$(echo | timeout 60 "$@" | paste -sd ' ')
	[ "$said" = "$wanted" ] || fail "'$said', not '$wanted': $*"
}
load=("$tools/mitosis-load" "$mnt/image")
end_parent() {
	kill -9 "$parent"
	umount "$mnt"
}

image_of python3 parent.py "$a" "$b" any
for option in --memory=shared --memory=own --pid=new; do
	bound "main,$all $a,$a $b,$b any,$all" "${load[@]}" $option
done
bound "main,$b $a,$b $b,$b any,$b" taskset -c "$b" "${load[@]}"
end_parent

image_of taskset -c "$a" python3 parent.py any
bound "main,$a any,$a" "${load[@]}"
bound "main,$b any,$b" taskset -c "$b" "${load[@]}"
end_parent
expect_nothing_left
