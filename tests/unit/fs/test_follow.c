/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/follow.h"

#define READS_ENOUGH 200 /* more than the looks that must agree */

static int bind_self(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

static int cpus_of_self(cpu_set_t *ret)
{
	(void)sched_getaffinity(0, sizeof(*ret), ret);
	return CPU_COUNT(ret);
}

/* One that answers; it asks itself who faulted. */
struct worker {
	struct follow *follow;
	pid_t reader;
	int nr_cpus;
	bool has_readers_cpu;
	int cpu;
};

static void *answer_many(void *arg)
{
	struct worker *worker = arg;
	cpu_set_t cpus;

	for (int i = 0; i < READS_ENOUGH; i++)
		follow_read(worker->follow, worker->reader);
	worker->nr_cpus = cpus_of_self(&cpus);
	worker->has_readers_cpu = CPU_ISSET(worker->cpu, &cpus);
	return NULL;
}

static void run(struct worker *worker)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, answer_many, worker), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void who_answers_goes_where_faults_come_from(void **state)
{
	struct worker worker = {.follow = follow_new(), .reader = gettid()};
	cpu_set_t all;

	if (!worker.follow)
		skip(); /* one CPU */
	(void)cpus_of_self(&all);
	for (worker.cpu = 0; !CPU_ISSET(worker.cpu, &all);)
		worker.cpu++;
	/* A thread inherits this; it is bound by follow alone to more. */
	assert_int_equal(bind_self(worker.cpu), 0);
	run(&worker);
	assert_int_equal(worker.nr_cpus, 1);
	assert_true(worker.has_readers_cpu);
	/* Nobody there to be followed: free again, all of them. */
	worker.reader = 0x7fffffff;
	run(&worker);
	assert_int_equal(worker.nr_cpus, CPU_COUNT(&all));
	/* The same for one in a pid namespace that is none of ours. */
	worker.reader = gettid();
	run(&worker);
	assert_int_equal(worker.nr_cpus, 1);
	worker.reader = 0;
	run(&worker);
	assert_int_equal(worker.nr_cpus, CPU_COUNT(&all));
	(void)sched_setaffinity(0, sizeof(all), &all);
	follow_free(worker.follow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_answers_goes_where_faults_come_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
