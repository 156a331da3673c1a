/* SPDX-License-Identifier: MIT */
/*
 * test_procfs.c - status, stat, timers and task lists are read to the letter
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "parent/procfs.h"

static int parse_status(const char *text, struct procfs_status *status)
{
	return procfs_parse_status(text, strlen(text), status);
}

static void status_is_taken(void **state)
{
	struct procfs_status s = {0};

	assert_int_equal(
		parse_status("Name:\tPid: 9\n"
			     "Umask:\t0027\n"
			     "State:\tt (tracing stop)\n"
			     "Tgid:\t100\nNgid:\t0\nPid:\t101\nPPid:\t7\n"
			     "TracerPid:\t55\n"
			     "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
			     "Groups:\t10 20 4294967295 \n"
			     "NStgid:\t100\t1\nNSpid:\t101\t2\n"
			     "Threads:\t3\n"
			     "SigQ:\t1/7800\n"
			     "SigPnd:\t0000000000000200\n"
			     "ShdPnd:\t0000000000004000\n"
			     "SigBlk:\t8000000000000001\n"
			     "SigIgn:\t0000000001001000\n"
			     "SigCgt:\t0000000180000002\n"
			     "NoNewPrivs:\t1\nSeccomp:\t2\n"
			     "Seccomp_filters:\t4\n",
			     &s),
		0);
	assert_int_equal(s.umask, 027);
	assert_int_equal(s.state, 't');
	assert_int_equal(s.tgid, 100);
	assert_int_equal(s.pid, 101);
	assert_int_equal(s.ppid, 7);
	assert_int_equal(s.tracer_pid, 55);
	assert_int_equal(s.ns_tgid, 1);
	assert_int_equal(s.ns_pid, 2);
	assert_int_equal(s.uid[0], 1);
	assert_int_equal(s.uid[3], 4);
	assert_int_equal(s.gid[3], 8);
	assert_int_equal(s.nr_groups, 3);
	assert_int_equal(s.groups[2], UINT32_MAX);
	assert_int_equal(s.nr_threads, 3);
	assert_int_equal(s.sig_pending, 0x200);
	assert_int_equal(s.shared_pending, 0x4000);
	assert_int_equal(s.sig_blocked, 0x8000000000000001);
	assert_int_equal(s.sig_ignored, 0x1001000);
	assert_int_equal(s.sig_caught, 0x180000002);
	assert_int_equal(s.no_new_privs, 1);
	assert_int_equal(s.seccomp, 2);
	procfs_status_free(&s);
}

static void old_status_repeats_pids(void **state)
{
	struct procfs_status s = {0};

	assert_int_equal(
		parse_status("State:\tS\nTgid:\t4\nPid:\t5\nGroups:\t \n", &s),
		0);
	assert_int_equal(s.ns_pid, 5);
	assert_int_equal(s.ns_tgid, 4);
	assert_int_equal(s.nr_groups, 0);
	procfs_status_free(&s);
}

static void broken_status_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"hello\n",
		"State:\tS\nTgid:\t4\n",
		"State:\nTgid:\t4\nPid:\t5\n",
		"State:\tS\nTgid:\t4\nPid:\t-5\n",
		"State:\tS\nTgid:\t4\nPid:\t2147483648\n",
		"State:\tS\nTgid:\t4\nPid:\t5\nUid:\t1\t2\t3\n",
		"State:\tS\nTgid:\t4\nPid:\t5\nUmask:\t9\n",
		"State:\tS\nTgid:\t4\nPid:\t5\nSigBlk:\t10000000000000000\n",
	};
	struct procfs_status s;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(parse_status(texts[i], &s), -EPROTO);
}

static void own_status_is_right(void **state)
{
	struct procfs_status s = {0};
	mode_t mask = umask(031);

	assert_int_equal(procfs_status(getpid(), 0, &s), 0);
	(void)umask(mask);
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.umask, 031);
	assert_int_equal(s.uid[1], geteuid());
	assert_int_equal(s.nr_threads, 1);
	procfs_status_free(&s);
	assert_int_equal(procfs_status(getpid(), getpid(), &s), 0);
	procfs_status_free(&s);
	assert_int_equal(procfs_status(1 << 23, 0, &s), -ESRCH);
}

static void stat_is_taken(void **state)
{
	/* Fields 4 to 52 hold their own number. */
	char text[512] = "1 (a) b) S";
	struct image_mm mm;

	for (int i = 4; i <= 52; i++)
		(void)sprintf(text + strlen(text), " %d", i);
	strcat(text, "\n");
	assert_int_equal(procfs_parse_stat(text, strlen(text), &mm), 0);
	assert_int_equal(mm.start_code, 26);
	assert_int_equal(mm.end_code, 27);
	assert_int_equal(mm.start_stack, 28);
	assert_int_equal(mm.start_data, 45);
	assert_int_equal(mm.end_data, 46);
	assert_int_equal(mm.start_brk, 47);
	assert_int_equal(mm.arg_start, 48);
	assert_int_equal(mm.arg_end, 49);
	assert_int_equal(mm.env_start, 50);
	assert_int_equal(mm.env_end, 51);
	assert_int_equal(mm.brk, 0);
	assert_int_equal(procfs_parse_stat(text, 100, &mm), -EPROTO);
	assert_int_equal(procfs_parse_stat("", 0, &mm), -EPROTO);
}

static void timers_are_taken(void **state)
{
	static const char text[] =
		"ID: 0\n"
		"signal: 60/00007fff86e452a8\n"
		"notify: signal/pid.2634\n"
		"ClockID: 0\n"
		"ID: 7\n"
		"signal: 14/0000000000000001\n"
		"notify: signal/tid.2635\n"
		"ClockID: -6\n"
		"ID: 9\n"
		"signal: 0/0\n"
		"notify: none/pid.1\n"
		"ClockID: 1\n";
	struct image_timer *timers;
	uint32_t nr;

	assert_int_equal(
		procfs_parse_timers(text, sizeof(text) - 1, &timers, &nr), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(timers[0].id, 0);
	assert_int_equal(timers[0].signo, 60);
	assert_int_equal(timers[0].sigval, 0x7fff86e452a8);
	assert_int_equal(timers[0].notify, SIGEV_SIGNAL);
	assert_int_equal(timers[0].target_tid, 2634);
	assert_false(image_timer_is_of_thread(&timers[0]));
	assert_true(image_timer_is_of_thread(&timers[1]));
	assert_false(image_timer_is_of_thread(&timers[2]));
	assert_int_equal(timers[1].id, 7);
	assert_int_equal(timers[1].notify, SIGEV_SIGNAL | SIGEV_THREAD_ID);
	assert_int_equal(timers[1].target_tid, 2635);
	assert_int_equal(timers[1].clockid, -6);
	assert_int_equal(timers[2].notify, SIGEV_NONE);
	assert_int_equal(timers[2].clockid, 1);
	free(timers);
}

static void broken_timers_are_refused(void **state)
{
	static const char *const texts[] = {
		"signal: 1/0\n",
		"ID: x\n",
		"ID: 1\nsignal: 1\n",
		"ID: 1\nnotify: smoke/pid.1\n",
		"ID: 1\nnotify: signal/gid.1\n",
		"ID: 1\nClockID: \n",
	};
	struct image_timer *timers;
	uint32_t nr;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(procfs_parse_timers(texts[i], strlen(texts[i]),
						     &timers, &nr),
				 -EPROTO);
}

static void own_timers_are_read(void **state)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR2,
		.sigev_value.sival_ptr = (void *)0x1234,
	};
	struct image_timer *timers;
	timer_t timer;
	uint32_t nr;

	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(procfs_timers(getpid(), &timers, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(timers[0].signo, SIGUSR2);
	assert_int_equal(timers[0].sigval, 0x1234);
	assert_int_equal(timers[0].clockid, CLOCK_MONOTONIC);
	assert_int_equal(timers[0].target_tid, getpid());
	free(timers);
	assert_int_equal(timer_delete(timer), 0);
	assert_int_equal(procfs_timers(getpid(), &timers, &nr), 0);
	assert_int_equal(nr, 0);
	free(timers);
}

static void tids_start_with_the_leader(void **state)
{
	int dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t *tids = NULL;
	uint32_t cap = 0, nr = 0;

	assert_true(dir >= 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(procfs_tids(dir, &tids, &cap, &nr), 0);
		assert_int_equal(nr, 1);
		assert_int_equal(tids[0], getpid());
	}
	free(tids);
	(void)close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_taken),
		cmocka_unit_test(old_status_repeats_pids),
		cmocka_unit_test(broken_status_is_refused),
		cmocka_unit_test(own_status_is_right),
		cmocka_unit_test(stat_is_taken),
		cmocka_unit_test(timers_are_taken),
		cmocka_unit_test(broken_timers_are_refused),
		cmocka_unit_test(own_timers_are_read),
		cmocka_unit_test(tids_start_with_the_leader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
