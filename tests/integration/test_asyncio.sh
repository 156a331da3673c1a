#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_asyncio.sh WAY - an event loop of Python's: woken by its threads, and idle
# when nobody wakes it
. "$(dirname "$0")/lib.sh"
way=$1
need_tools mitosisfs mitosis-load
need_programs python3

# Told to by SIGUSR1, it works in other threads, and then waits; SIGUSR2 ends it.
start parent /usr/bin/python3 -uc "
import asyncio, signal

async def main():
    loop = asyncio.get_running_loop()
    work, end = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, work.set)
    loop.add_signal_handler(signal.SIGUSR2, end.set)
    print('ready')
    await work.wait()
    sums = await asyncio.gather(*(
        loop.run_in_executor(None, sum, range(i * 1000)) for i in range(100)))
    assert sums == [sum(range(i * 1000)) for i in range(100)]
    looks = 0
    select = loop._selector.select
    def counted(timeout=None):
        nonlocal looks
        looks += 1
        return select(timeout)
    loop._selector.select = counted
    await asyncio.sleep(1)
    # Two or three; thousands where something can be read that never ends.
    assert looks < 50, f'{looks} looks for something to do in an idle second'
    print('worked')
    await end.wait()

asyncio.run(main())
print('ok')
"
parent=$pid
wait_ready parent "$parent"
random_pause 100
take_image "$way" "$parent"
load_child "$way" child
child=$(cat child.pid)
kill -USR1 "$parent" "$child"
for name in parent child; do
	wait_for 60 grep -qx worked $name.out
done
kill -USR2 "$parent" "$child"
expect_ok parent "$parent"
expect_ok child "$loader"
drop_image "$way"
expect_nothing_left
