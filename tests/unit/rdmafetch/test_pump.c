/* SPDX-License-Identifier: MIT */
/*
 * test_pump.c - the order of the queue, and who must wait for whom
 *
 * "Still waiting" is seen without a clock: a thread that holds the pump's lock
 * lets it go only inside the wait in question, or when it is through.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/landing.h"
#include "rdmafetch/mend.h"
#include "rdmafetch/pump.h"

/* A transport that is asked nothing but its end. */
struct lid {
	struct transport base;
	bool closed;
};

static void lid_close(struct transport *transport)
{
	((struct lid *)transport)->closed = true;
}

static const struct transport_ops lid_ops = {
	.name = "lid",
	.close = lid_close,
};

struct rig {
	struct pump pump;
	struct lid lid;
	struct waiter waiter;
	struct flight flights[4];
	bool entered, through;
};

static struct rig rig;

static void setup(void)
{
	const struct pump_options options = {.timeout_ms = 10000, .tries = 3};

	rig = (struct rig){.lid = {{&lid_ops}, false}};
	assert_int_equal(pump_init(&rig.pump, &rig.lid.base, &options), 0);
	waiter_init(&rig.waiter);
	for (unsigned i = 0; i < 4; i++) {
		rig.flights[i].waiter = &rig.waiter;
		rig.flights[i].object = SOURCE_MEMORY;
		rig.flights[i].raddr = i * PAGE_BYTES;
		rig.flights[i].len_bytes = PAGE_BYTES;
	}
}

static void teardown(void)
{
	waiter_done(&rig.waiter);
	pump_done(&rig.pump);
}

static void demand_is_queued_before_prefetch(void **state)
{
	static const unsigned want[] = {2, 3, 0, 1};
	const struct flight *flight;
	unsigned i = 0;

	setup();
	rig.flights[0].kept = rig.flights[1].kept = true;
	for (unsigned at = 0; at < 4; at++)
		landing_queue(&rig.pump, &rig.flights[at]);
	TAILQ_FOREACH(flight, &rig.pump.queue, link)
	assert_ptr_equal(flight, &rig.flights[want[i++]]);
	assert_int_equal(i, 4);
	assert_int_equal(rig.waiter.need, 4);
	teardown();
}

/* Start @main and wait until it waits with the lock let go. */
static pthread_t start_and_catch(void *(*main)(void *))
{
	pthread_t thread;
	bool entered = false;

	assert_int_equal(pthread_create(&thread, NULL, main, NULL), 0);
	while (!entered) {
		(void)sched_yield();
		(void)pthread_mutex_lock(&rig.pump.lock);
		entered = rig.entered;
		(void)pthread_mutex_unlock(&rig.pump.lock);
	}
	return thread;
}

static void *retire_main(void *arg)
{
	(void)pthread_mutex_lock(&rig.pump.lock);
	rig.entered = true;
	landing_retire(&rig.pump, &rig.flights[0]);
	rig.through = true;
	(void)pthread_mutex_unlock(&rig.pump.lock);
	return NULL;
}

/* A prefetch buffer is used again only when nobody copies from it. */
static void a_pinned_flight_is_not_retired(void **state)
{
	pthread_t thread;

	setup();
	rig.flights[0].state = FLIGHT_HELD;
	rig.flights[0].pins = 2;
	inflight_add(&rig.pump.table, &rig.flights[0]);
	thread = start_and_catch(retire_main);
	(void)pthread_mutex_lock(&rig.pump.lock);
	assert_false(rig.through);
	assert_null(inflight_after(&rig.pump.table, SOURCE_MEMORY, 0));
	landing_unpin(&rig.pump, &rig.flights[0]);
	landing_unpin(&rig.pump, &rig.flights[0]);
	(void)pthread_mutex_unlock(&rig.pump.lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(rig.through);
	teardown();
}

static void *mend_main(void *arg)
{
	(void)pthread_mutex_lock(&rig.pump.lock);
	rig.entered = true;
	rig.pump.broken = true;
	(void)mend_once(&rig.pump);
	(void)pthread_mutex_unlock(&rig.pump.lock);
	return NULL;
}

/* Nobody closes a transport while another thread is inside it. */
static void a_transport_in_use_is_not_closed(void **state)
{
	pthread_t thread;

	setup();
	rig.pump.in_calls = 1;
	thread = start_and_catch(mend_main);
	(void)pthread_mutex_lock(&rig.pump.lock);
	assert_false(rig.lid.closed);
	rig.pump.in_calls = 0;
	(void)pthread_cond_broadcast(&rig.pump.quiet);
	(void)pthread_mutex_unlock(&rig.pump.lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(rig.lid.closed);
	assert_null(rig.pump.transport);
	teardown();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(demand_is_queued_before_prefetch),
		cmocka_unit_test(a_pinned_flight_is_not_retired),
		cmocka_unit_test(a_transport_in_use_is_not_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
