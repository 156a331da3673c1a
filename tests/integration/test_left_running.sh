#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_left_running.sh - what a child without a pid namespace leaves running goes on
# with the right bytes when the child and its loader have ended
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

# parent.py DIR: at DIR/go the child forks, and ends; the other looks at all memory at
# DIR/look, drops some of it and makes some longer, and says in DIR/said what it saw.
cat >parent.py <<'END'
import mmap, os, sys, time, traceback, zlib
work = sys.argv[1]
blocks = [bytes([i % 251 + 1]) * (1 << 20) for i in range(48)]
right = zlib.crc32(b"".join(blocks))
MIB = 1 << 20

def private():
    block = mmap.mmap(-1, MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    block.write(b"x" * MIB)
    return block

dropped, longer = private(), private()

def drop_and_grow():
    try:
        dropped.madvise(mmap.MADV_DONTNEED)
        longer.resize(2 * MIB)
    except OSError:
        traceback.print_exc()
        return False
    return dropped[:] == bytes(MIB) and longer[:] == b"x" * MIB + bytes(MIB)

def wait_for(name):
    while not os.path.exists(f"{work}/{name}"):
        time.sleep(0.01)

print("ready", flush=True)
wait_for("go")
if os.fork():
    os._exit(0)
wait_for("look")
same = zlib.crc32(b"".join(blocks)) == right and drop_and_grow()
with open(f"{work}/said.new", "w", encoding="ascii") as said:
    said.write("right\n" if same else "wrong\n")
os.rename(f"{work}/said.new", f"{work}/said")
END

# A caller that holds a lock by a descriptor, and is somewhere.
mkdir work here locking
cat >locking/mitosis-load <<END
#!/usr/bin/env bash
cd "$dir/here" || exit 1
exec 9>"$dir/lock" || exit 1
flock 9 || exit 1
exec "$tools/mitosis-load" "\$@"
END
chmod +x locking/mitosis-load

# nothing_of_caller: nobody has its lock, nor its directory.
nothing_of_caller() {
	local place
	flock --nonblock lock true || return 1
	for place in /proc/[0-9]*/cwd; do
		[ "$(readlink "$place")" != "$dir/here" ] || return 1
	done
}

start parent /usr/bin/python3 parent.py "$dir/work"
parent=$pid
wait_ready parent "$parent"
for memory in own shared; do
	take_image "local-$memory" "$parent"
	kill -9 "$parent" # the image stays
	wait "$parent" || true
	tools=$dir/locking load_child "local-$memory" "child-$memory" --pid=new
	! flock --nonblock lock true || fail "the caller has no lock"
	touch work/go
	expect_exit "$loader" 0 "the child with --memory=$memory"
	wait_for 10 nothing_of_caller
	touch work/look
	wait_for 60 test -e work/said
	has_line work/said right || fail "$memory: what was left running saw other bytes"
	wait "${reader_of[child-$memory]}" || true
	drop_image "local-$memory"
	[ $memory = own ] || break
	rm work/*
	start parent-again /usr/bin/python3 parent.py "$dir/work"
	parent=$pid
	wait_ready parent-again "$parent"
done
# The guard of what was left running ended with it.
expect_nothing_left
