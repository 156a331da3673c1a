/* SPDX-License-Identifier: MIT */
/* The pager: forks, threads, and random operations against a model. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pager_child.h"

/* ---- forks ---- */

static int generation(int depth)
{
	uint64_t mine = A + (uint64_t)(512 + 64 * depth) * PAGE;
	pid_t pid;

	check(is_image(A + (uint64_t)depth * 16 * PAGE,
		       A + (uint64_t)depth * 16 * PAGE),
	      "untouched before the fork");
	(void)madvise((void *)mine, 32 * PAGE, MADV_DONTNEED);
	for (int i = 0; depth < 3 && i < 4; i++) {
		pid = fork();
		if (!pid) {
			wrong = 0;
			(void)generation(depth + 1);
			_exit(wrong);
		}
		check(!end_of(pid), "a descendant");
	}
	check(is_zero(mine) && is_zero(mine + 31 * PAGE), "own drop");
	check(is_image(mine + 64 * PAGE, mine + 64 * PAGE),
	      "a descendant's drop is its own");
	return 0;
}

static int fork_all(void)
{
	pid_t pid;

	(void)generation(0);
	pid = fork();
	if (!pid) {
		(void)execl("/bin/true", "true", NULL);
		_exit(99);
	}
	check(!end_of(pid), "fork and exec");
	return 0;
}

static void forks_have_pages_of_their_own(void **state)
{
	struct run run = {0};

	passes(&run, fork_all);
	assert_int_equal(run.stats.forks, 4 + 16 + 64 + 1);
}

/* ---- threads ---- */

#define THREADS 6

/* Each thread drops its own slice of pages at random, all read all others. */
static void *fault_about(void *arg)
{
	uint64_t id = (uintptr_t)arg, seed = 88172645463325252ull + id * 7919;
	const uint64_t slice = A_PAGES / THREADS;
	bool dropped[A_PAGES / THREADS] = {0};

	for (int i = 0; i < 3000; i++) {
		uint64_t k = next(&seed) % slice, mine = id * slice + k;
		uint64_t other = A + next(&seed) % A_PAGES * PAGE;

		check(*at(other) == 0 || *at(other) == word_of(other) ||
			      *at(other) == 0,
		      "another's page");
		if (next(&seed) % 3 == 0) {
			(void)madvise((void *)(A + mine * PAGE), PAGE,
				      MADV_DONTNEED);
			dropped[k] = true;
		}
		check(dropped[k] ? is_zero(A + mine * PAGE)
				 : is_image(A + mine * PAGE, A + mine * PAGE),
		      "own page");
	}
	return NULL;
}

static int thread_about(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, fault_about, (void *)i))
			return 126;
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	return 0;
}

static volatile uint64_t turn;

static void *touch_in_turn(void *arg)
{
	uint64_t seen = 0;

	while (seen < A_PAGES) {
		while (turn == seen)
			(void)sched_yield();
		seen = turn;
		(void)*at(A + (seen - 1) * PAGE);
	}
	return arg;
}

/* A page that is dropped while it is being fetched must not come back old. */
static int drop_in_flight(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, touch_in_turn, NULL))
		return 126;
	for (uint64_t i = 0; i < A_PAGES; i++) {
		turn = i + 1;
		if (i % 3)
			(void)sched_yield();
		(void)madvise((void *)(A + i * PAGE), PAGE, MADV_DONTNEED);
		check(is_zero(A + i * PAGE), "dropped in flight");
	}
	(void)pthread_join(thread, NULL);
	return 0;
}

static void threads_fault_at_once(void **state)
{
	struct run run = {0};

	passes(&run, thread_about);
	passes(&run, drop_in_flight);
	run.batch_pages = 1;
	passes(&run, drop_in_flight);
	run.batch_pages = 16;
}

/* ---- random operations against a model ---- */

#define MODEL_MAX 512u

struct model {
	uint64_t at;
	size_t pages;
	uint64_t words[MODEL_MAX];
	uint64_t seed;
};

static void verify(const struct model *m, unsigned every)
{
	for (size_t i = 0; i < m->pages; i += every)
		check(*at(m->at + i * PAGE + 8) == m->words[i], "the model");
}

static void change(struct model *m)
{
	size_t first = next(&m->seed) % m->pages;
	size_t n = 1 + next(&m->seed) % (m->pages - first);

	if (next(&m->seed) % 2) {
		m->words[first] = next(&m->seed);
		*at(m->at + first * PAGE + 8) = m->words[first];
		return;
	}
	if (n > 16)
		n = 16;
	(void)madvise((void *)(m->at + first * PAGE), n * PAGE, MADV_DONTNEED);
	memset(m->words + first, 0, n * sizeof(m->words[0]));
}

static void move(struct model *m)
{
	bool leave = next(&m->seed) % 3 == 0;
	size_t pages = leave ? m->pages : 1 + next(&m->seed) % MODEL_MAX;
	void *p = mremap((void *)m->at, m->pages * PAGE, pages * PAGE,
			 MREMAP_MAYMOVE | (leave ? MREMAP_DONTUNMAP : 0), 0);

	if (p == MAP_FAILED) {
		check(false, "mremap");
		return;
	}
	if (pages > m->pages)
		memset(m->words + m->pages, 0,
		       (pages - m->pages) * sizeof(m->words[0]));
	if (leave) {
		check(is_zero(m->at), "left behind");
		(void)munmap((void *)m->at, m->pages * PAGE);
	}
	m->at = (uint64_t)p;
	m->pages = pages;
}

static int fuzz(void)
{
	static struct model m = {.seed = 88172645463325252ull};

	for (int area = 0; area < 7; area++) {
		m.at = A + (uint64_t)area * 512 * PAGE;
		m.pages = 256;
		for (size_t i = 0; i < m.pages; i++)
			m.words[i] = word_of(m.at + i * PAGE);
		for (int i = 0; i < 200 && !wrong; i++) {
			if (next(&m.seed) % 8)
				change(&m);
			else
				move(&m);
			if (i % 16 == 0)
				verify(&m, 5);
			if (i % 64 == 63) {
				pid_t pid = fork();

				if (!pid) {
					verify(&m, 1);
					_exit(wrong);
				}
				check(!end_of(pid), "a fork's view");
			}
		}
		verify(&m, 1);
	}
	return 0;
}

static void random_operations_match_a_model(void **state)
{
	static const unsigned batches[] = {1, 16, 64};
	struct run run = {0};

	for (size_t i = 0; i < 3; i++) {
		run.batch_pages = batches[i];
		passes(&run, fuzz);
	}
	run.batch_pages = 16;
	run.push = true;
	passes(&run, fuzz);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forks_have_pages_of_their_own),
		cmocka_unit_test(threads_fault_at_once),
		cmocka_unit_test(random_operations_match_a_model),
	};
	int fd = pager_userfaultfd();

	if (fd < 0)
		return fd == -EPERM || fd == -ENOSYS ? 77 : 1;
	(void)close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
