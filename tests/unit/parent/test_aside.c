/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "parent/aside.h"

static cpu_set_t cpus(unsigned bits)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < 8; i++)
		if (bits >> i & 1)
			CPU_SET(i, &set);
	return set;
}

/* Where to, of CPUs as bits; 0: it stays. */
static unsigned choice(unsigned ours_bits, unsigned busy_bits, int here)
{
	const cpu_set_t ours = cpus(ours_bits), busy = cpus(busy_bits);
	unsigned bits = 0;
	cpu_set_t to;

	if (!aside_choose(&ours, &busy, here, &to))
		return 0;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &to))
			bits |= 1u << i;
	return bits;
}

static void who_is_in_the_way_goes_where_nobody_works(void **state)
{
	assert_int_equal(choice(0x3, 0x1, 0), 0x2);
	assert_int_equal(choice(0xf, 0x5, 2), 0xa);
	assert_int_equal(choice(0x6, 0x9 | 0x2, 1), 0x4);
}

static void who_is_not_in_the_way_or_has_no_choice_stays(void **state)
{
	assert_int_equal(choice(0x3, 0x1, 1), 0);
	assert_int_equal(choice(0x3, 0x0, 1), 0);
	assert_int_equal(choice(0x3, 0x3, 0), 0);
	assert_int_equal(choice(0x1, 0x1, 0), 0);
	assert_int_equal(choice(0x3, 0x1, -1), 0);
	assert_int_equal(choice(0x3, 0x1, CPU_SETSIZE), 0);
}

static void bind_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* On the CPU of the caller, for ever. */
static pid_t start_worker(void)
{
	pid_t pid = fork();
	volatile int work = 1;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (work)
		;
	_exit(0);
}

static void a_step_leaves_the_cpu_of_who_works(void **state)
{
	cpu_set_t all, after;
	int cpu = 0, to;
	pid_t pid;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) < 2)
		skip(); /* nowhere to go */
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	bind_to(cpu);
	pid = start_worker();
	(void)usleep(20000);
	assert_int_equal(sched_getcpu(), cpu);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	aside_step(pid);
	to = sched_getcpu();
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_not_equal(to, cpu);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&after, &all));
}

static void nobody_is_no_reason_to_leave(void **state)
{
	cpu_set_t all, after;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	aside_step(0x7fffffff);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&after, &all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_in_the_way_goes_where_nobody_works),
		cmocka_unit_test(who_is_not_in_the_way_or_has_no_choice_stays),
		cmocka_unit_test(a_step_leaves_the_cpu_of_who_works),
		cmocka_unit_test(nobody_is_no_reason_to_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
