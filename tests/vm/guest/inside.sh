#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# inside.sh - what runs the tests in the machine tells their results right, and
# leaves nothing of one test to the next
LIMIT=120
. "$(dirname "$0")/../lib.sh"

mkdir tests logs
write_test() {
	{
		echo '#!/bin/bash'
		cat
	} >"tests/$1.sh"
	chmod +x "tests/$1.sh"
}
write_test 1-right <<<'setsid sleep 4711 & sleep 4711 & exit 0'
write_test 2-skip <<<'echo "skip: there is no #2 here"; exit 77'
write_test 3-wrong <<<'echo it broke; exit 1'
write_test 4-signal <<<'kill -KILL $$'
write_test 5-hang <<'END'
LIMIT=1
trap '' TERM
setsid sleep 4711 &
sleep 4711
END
write_test 6-after <<<'! pgrep -f "sleep 4711"'

cat >wanted <<'END'
ok 1 - 1-right
ok 2 - 2-skip # SKIP there is no 2 here
not ok 3 - 3-wrong
not ok 4 - 4-signal
not ok 5 - 5-hang
ok 6 - 6-after
END
GRACE=2 "$here/../inside" "$dir/logs" tests/*.sh >said 2>inside.err
diff wanted <(grep -v '^#' said) || fail "the results are not as wanted"
grep -qx 'it broke' logs/3-wrong.log || fail "a test's words are lost"
grep -q 'does not end' logs/5-hang.log || fail "a hang is not told"
