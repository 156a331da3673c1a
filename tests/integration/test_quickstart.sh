#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_quickstart.sh - README's first command, on what is built: it says that it
# is done, whatever its caller had open, and leaves nothing
LIMIT=120
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load
/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip "no python3 with numpy"
source=$(cd "$here/../.." && pwd)

mkdir bin tmp
ln -s /bin/true bin/ninja # what is tested is not built anew
exec 7<>gone 8< <(exec sleep 100) 9<>errors
rm gone errors # nor where it says what is wrong has a name
env PATH="$dir/bin:$PATH" TMPDIR="$dir/tmp" "$source/tools/quickstart" \
	--no-install --build "$build" --seconds 10 >quick.out 2>&9 \
	</dev/null || fail "it ended with $?: $(cat /proc/$$/fd/9)"
exec 7>&- 9>&-
kill $!

said() {
	grep -q -- "$1" quick.out || fail "it does not say: $1"
}
said 'mounted; the parent paused for [0-9.]* ms'
said 'areas in image/maps'
said 'first output of the child: line'
said 'parent (exit 0): .* finished'
said 'child  (exit 0): .* finished'
[ "$(tail -n 1 quick.out)" = 'quickstart: done; nothing is left running' ] ||
	fail "its last line is: $(tail -n 1 quick.out)"

nobody_left() {
	[ -z "$(ours)" ]
}
wait_for 10 nobody_left
[ -z "$(ls tmp)" ] || fail "it has left $(ls tmp)"
[ -z "$(our_mounts)" ] || fail "it has left a mount"
