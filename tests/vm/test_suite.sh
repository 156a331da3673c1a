#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_suite.sh - what the machine says, and does not say, is counted right: a
# stand-in for tests/vm/run, then tests/tally.py on the result as meson logs it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export MITOSIS_BUILD=$dir/build VM_RUN=$dir/run
mkdir "$dir/build"

# tally RESULT: what the last lines of tests/run would be.
tally() {
	/usr/bin/python3 - "$1" "$dir/tap" >"$dir/log" <<-'END'
		import json, sys
		print(json.dumps({"name": "mitosisfs:vm / vm", "result": sys.argv[1],
		                  "stdout": open(sys.argv[2]).read()}))
	END
	/usr/bin/python3 "$here/../tally.py" "$dir/log" || true
}

# check WHAT RESULT: the stand-in's script is read from stdin, the wanted lines
# from descriptor 3.
check() {
	{
		echo '#!/bin/bash'
		cat
	} >"$dir/run"
	chmod +x "$dir/run"
	"$here/suite" "$dir/one.sh" "$dir/two.sh" "$dir/three.sh" \
		>"$dir/tap" 2>"$dir/errors"
	diff /dev/fd/3 <(tally "$2") || {
		echo "FAIL: $1"
		cat "$dir/tap"
		exit 1
	}
}

check 'all results are there' OK <<<'
echo ok 1 - one
echo "# a word"
echo "ok 2 - two # SKIP there is none"
echo ok 3 - three' 3<<'END'
skipped: vm-two: there is none
2 passed, 0 failed, 1 skipped
END

check 'the machine goes down' FAIL <<<'
echo ok 1 - one
echo not ok 2 - two
exit 125' 3<<'END'
failed: vm-two: fail
failed: vm-three: fail
1 passed, 2 failed, 0 skipped
END

check 'the machine does not come up' FAIL <<<'exit 125' 3<<'END'
failed: vm-one: fail
failed: vm-two: fail
failed: vm-three: fail
0 passed, 3 failed, 0 skipped
END

check 'the machine cannot run here' SKIP <<<'
echo "skip: there is no #1 qemu" >&2
exit 77' 3<<'END'
skipped: vm: there is no 1 qemu
0 passed, 0 failed, 1 skipped
END

check 'meson has lost its patience' TIMEOUT <<<'
echo ok 1 - one
echo ok 2 - two
echo ok 3 - three' 3<<'END'
failed: vm: timeout
3 passed, 1 failed, 0 skipped
END
