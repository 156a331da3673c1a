/* SPDX-License-Identifier: MIT */
/* A thread's memory: known to the fetch while it is there, and not left. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/page.h"
#include "fs/threadbuf.h"
#include "rdmafetch/fetch.h"

#define THREADS 5
#define KNOWN	16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *known[KNOWN];
static unsigned nr_known, nr_released;

void __wrap_fetch_prepare_buffer(struct fetch *fetch, void *buf,
				 size_t len_bytes);
void __wrap_fetch_release_buffer(struct fetch *fetch, void *buf);

void __wrap_fetch_prepare_buffer(struct fetch *fetch, void *buf,
				 size_t len_bytes)
{
	assert_ptr_equal(fetch, known);
	assert_int_equal((uintptr_t)buf % PAGE_BYTES, 0);
	memset(buf, 1, len_bytes); /* it is there */
	(void)pthread_mutex_lock(&lock);
	assert_true(nr_known < KNOWN);
	known[nr_known++] = buf;
	(void)pthread_mutex_unlock(&lock);
}

void __wrap_fetch_release_buffer(struct fetch *fetch, void *buf)
{
	unsigned at = 0;

	assert_ptr_equal(fetch, known);
	memset(buf, 2, PAGE_BYTES); /* it is still there */
	(void)pthread_mutex_lock(&lock);
	while (at < nr_known && known[at] != buf)
		at++;
	assert_true(at < nr_known);
	known[at] = known[--nr_known];
	nr_released++;
	(void)pthread_mutex_unlock(&lock);
}

static void *get(size_t len_bytes)
{
	return threadbuf_get((struct fetch *)known, len_bytes);
}

static void it_grows_and_is_known_once(void **state)
{
	void *mem = get(100);

	(void)state;
	assert_non_null(mem);
	assert_ptr_equal(get(PAGE_BYTES), mem);
	assert_int_equal(nr_known, 1);
	assert_non_null(get(1 << 20));
	assert_int_equal(nr_known, 1);
	assert_int_equal(nr_released, 1);
	threadbuf_end();
	assert_int_equal(nr_known, 0);
	assert_non_null(get(1)); /* of another mount */
	assert_int_equal(nr_known, 1);
	threadbuf_end();
	assert_int_equal(nr_known, 0);
}

static void *thread_main(void *arg)
{
	void *mem = get(PAGE_BYTES);

	memset(mem, (int)(intptr_t)arg, PAGE_BYTES);
	return mem == get(1) ? NULL : mem;
}

static void it_ends_with_its_thread(void **state)
{
	pthread_t threads[THREADS];
	void *result;

	(void)state;
	nr_released = 0;
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread_main,
						(void *)i),
				 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	assert_int_equal(nr_known, 0);
	assert_int_equal(nr_released, THREADS);
	threadbuf_end();
}

static pthread_barrier_t barrier;

static void *late_main(void *arg)
{
	(void)arg;
	(void)get(1);
	(void)pthread_barrier_wait(&barrier);
	(void)pthread_barrier_wait(&barrier);
	return NULL;
}

/* Such as one that libfuse has let go of: it must not ask the fetch then. */
static void a_thread_may_end_behind_the_mount(void **state)
{
	pthread_t thread;

	(void)state;
	nr_released = 0;
	(void)pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, late_main, NULL), 0);
	(void)pthread_barrier_wait(&barrier);
	assert_int_equal(nr_known, 1);
	threadbuf_end();
	assert_int_equal(nr_known, 0);
	(void)pthread_barrier_wait(&barrier);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(nr_released, 1);
	(void)pthread_barrier_destroy(&barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_and_is_known_once),
		cmocka_unit_test(it_ends_with_its_thread),
		cmocka_unit_test(a_thread_may_end_behind_the_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
