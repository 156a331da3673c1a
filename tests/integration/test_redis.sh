#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_redis.sh WAY - redis with 100,000 keys, imaged while it serves
#
# The child takes the same port in a network namespace of its own, is emptied,
# purged and refilled, and saves itself; the parent never notices.
LIMIT=160
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load mitosisd
need_programs redis-server redis-cli nsenter unshare

keys=100000
redis_port=$(shuf -n 1 -i 20000-29999) # no client's by chance

# The commands that set every key, in redis's own protocol.
refill() {
	awk -v n=$keys 'BEGIN {
		for (i = 0; i < n; i++) {
			key = "key:" i
			value = "value " i " " i * 7919 % 1000003 \
				substr("................................", i % 32)
			printf "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n",
				length(key), key, length(value), value
		}
	}' | "$1" --pipe >pipe.out
	grep -q 'errors: 0' pipe.out || fail "redis-cli --pipe: $(cat pipe.out)"
}

to_parent() {
	redis-cli -p "$redis_port" "$@"
}

to_child() {
	nsenter -n -t "$(cat child.pid)" redis-cli -p "$redis_port" "$@"
}

# expect ANSWER COMMAND...
expect() {
	local want=$1 got
	shift
	got=$("$@")
	[ "$got" = "$want" ] || fail "$*: '$got', not '$want'"
}

saved() {
	! to_child info persistence | grep -q 'rdb_bgsave_in_progress:1'
}

start parent redis-server --port "$redis_port" --bind 127.0.0.1 --save '' \
	--dir "$dir" --enable-debug-command local \
	--enable-protected-configs local
parent=$pid
wait_for 20 grep -q 'Ready to accept connections' parent.out
refill to_parent
expect $keys to_parent dbsize
digest=$(to_parent debug digest)
before=$(portrait "$parent")

take_image "$way" "$parent"
diff <(echo "$before") <(portrait "$parent") || fail "the parent changed"
net=(unshare -n sh -c 'ip link set lo up && exec "$@"' sh)
if [ "${way%-*}" = served ]; then
	serving_in=("${net[@]}") net=()
fi
choose_loader "$way"
start child "${net[@]}" "${loading[@]}" \
	--pid-file "$dir/child.pid" "$mnt/image"
loader=$pid
wait_for 20 test -s child.pid -o ! -e "/proc/$loader"

expect PONG to_child ping
expect $keys to_child dbsize
expect "$digest" to_child debug digest
mkdir save
expect OK to_child config set dir "$dir/save"
for round in 1 2 3; do
	expect OK to_child flushall
	expect OK to_child memory purge
	expect 0 to_child dbsize
	refill to_child
	expect "$digest" to_child debug digest
done
to_child bgsave >/dev/null
wait_for 30 saved
to_child info persistence | grep -q 'rdb_last_bgsave_status:ok' ||
	fail "bgsave failed in the child"
redis-check-rdb save/dump.rdb >check.out || fail "the saved file is broken"
grep -q "$keys keys read" check.out || fail "the saved file lacks keys"

# The parent holds what it held.
expect PONG to_parent ping
expect "$digest" to_parent debug digest
expect OK to_parent set a-new-key of-the-parent
expect '' to_child get a-new-key
to_child shutdown nosave
expect_exit "$loader" 0 "the child"
to_parent shutdown nosave
expect_exit "$parent" 0 "the parent"
drop_image "$way"
expect_nothing_left
