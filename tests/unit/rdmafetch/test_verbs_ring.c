/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_ring.c - few completions, every read ends once
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/verbs_ring.h"

static uint64_t push(struct verbs_ring *ring, unsigned slot)
{
	const struct verbs_entry entry = {.kind = VERBS_LAST,
					  .slot = (uint16_t)slot};

	return verbs_ring_push(ring, &entry);
}

static void a_completion_ends_all_before_it(void **state)
{
	struct verbs_ring ring;
	struct verbs_entry entry;

	assert_int_equal(verbs_ring_init(&ring, 8, 1000), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(push(&ring, i), 1000 + i);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(verbs_ring_pop(&ring, 1003, &entry));
		assert_int_equal(entry.slot, i);
	}
	assert_false(verbs_ring_pop(&ring, 1003, &entry));
	assert_true(verbs_ring_pop(&ring, 1004, &entry));
	assert_int_equal(entry.slot, 4);
	verbs_ring_done(&ring);
}

/* A device that says nonsense takes nothing out. */
static void a_number_never_given_ends_nothing(void **state)
{
	struct verbs_ring ring;
	struct verbs_entry entry;

	assert_int_equal(verbs_ring_init(&ring, 8, 5), 0);
	assert_false(verbs_ring_pop(&ring, 5, &entry));
	(void)push(&ring, 1);
	assert_false(verbs_ring_pop(&ring, 4, &entry));
	assert_false(verbs_ring_pop(&ring, 6, &entry));
	assert_false(verbs_ring_pop(&ring, UINT64_MAX, &entry));
	assert_true(verbs_ring_pop(&ring, 5, &entry));
	verbs_ring_done(&ring);
}

static void room_comes_back_and_numbers_go_on(void **state)
{
	struct verbs_ring ring;
	struct verbs_entry entry;

	assert_int_equal(verbs_ring_init(&ring, 4, 0), 0);
	for (unsigned i = 0; i < 40; i += 4) {
		for (unsigned n = 0; n < 4; n++) {
			assert_int_equal(verbs_ring_room(&ring), 4 - n);
			assert_int_equal(push(&ring, i + n), i + n);
		}
		assert_int_equal(verbs_ring_room(&ring), 0);
		for (unsigned n = 0; n < 4; n++) {
			assert_true(verbs_ring_pop(&ring, i + 3, &entry));
			assert_int_equal(entry.slot, i + n);
		}
	}
	verbs_ring_done(&ring);
}

/* However the caller signals, a full queue has one that is. */
static void a_queue_never_fills_up_untold(void **state)
{
	struct verbs_ring ring;
	unsigned nr_told = 0, since = 0;

	assert_int_equal(verbs_ring_init(&ring, 64, 7), 0);
	for (unsigned i = 0; i < 64; i++) {
		uint64_t seq = push(&ring, i);

		since++;
		if (!verbs_ring_must_signal(&ring, seq))
			continue;
		verbs_ring_signalled(&ring, seq);
		nr_told++;
		assert_int_equal(since, 16);
		since = 0;
	}
	assert_int_equal(nr_told, 4);
	verbs_ring_done(&ring);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_completion_ends_all_before_it),
		cmocka_unit_test(a_number_never_given_ends_nothing),
		cmocka_unit_test(room_comes_back_and_numbers_go_on),
		cmocka_unit_test(a_queue_never_fills_up_untold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
