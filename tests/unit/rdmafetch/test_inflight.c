/* SPDX-License-Identifier: MIT */
/*
 * test_inflight.c - the table of reads under way
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/inflight.h"

static struct flight flight(uint32_t object, uint64_t raddr, uint32_t len)
{
	return (struct flight){
		.object = object, .raddr = raddr, .len_bytes = len};
}

static void a_flight_is_found_from_any_byte_before_its_end(void **state)
{
	static struct inflight table;
	struct flight a = flight(0, 4096, 8192), b = flight(0, 40960, 4096);

	inflight_add(&table, &b);
	inflight_add(&table, &a);
	assert_ptr_equal(inflight_after(&table, 0, 0), &a);
	assert_ptr_equal(inflight_after(&table, 0, 4096), &a);
	assert_ptr_equal(inflight_after(&table, 0, 12287), &a);
	assert_ptr_equal(inflight_after(&table, 0, 12288), &b);
	assert_null(inflight_after(&table, 0, 45056));
}

static void objects_do_not_mix(void **state)
{
	static struct inflight table;
	struct flight memory = flight(0, 8192, 4096),
		      exe = flight(1, 4096, 100);

	inflight_add(&table, &memory);
	assert_null(inflight_after(&table, 1, 0));
	inflight_add(&table, &exe);
	assert_ptr_equal(inflight_after(&table, 1, 0), &exe);
	assert_ptr_equal(inflight_after(&table, 0, 0), &memory);
	assert_null(inflight_after(&table, 0, 12288));
	assert_null(inflight_after(&table, 2, 0));
}

static void a_deleted_flight_is_not_found(void **state)
{
	static struct inflight table;
	struct flight a = flight(0, 0, 4096), b = flight(0, 4096, 4096);

	inflight_add(&table, &a);
	inflight_add(&table, &b);
	inflight_del(&table, &a);
	assert_ptr_equal(inflight_after(&table, 0, 0), &b);
	inflight_del(&table, &a); /* not in: allowed */
	assert_ptr_equal(inflight_after(&table, 0, 0), &b);
	inflight_del(&table, &b);
	assert_null(inflight_after(&table, 0, 0));
}

/* More than fit are not shared, and taking them out harms nobody. */
static void a_full_table_leaves_flights_out(void **state)
{
	static struct inflight table;
	static struct flight flights[INFLIGHT_MAX + 1];

	for (unsigned i = 0; i <= INFLIGHT_MAX; i++) {
		flights[i] =
			flight(0, (uint64_t)(INFLIGHT_MAX - i) * 4096, 4096);
		inflight_add(&table, &flights[i]);
	}
	assert_int_equal(table.nr, INFLIGHT_MAX);
	assert_ptr_equal(inflight_after(&table, 0, 0),
			 &flights[INFLIGHT_MAX - 1]);
	inflight_del(&table, &flights[INFLIGHT_MAX]);
	for (unsigned i = 0; i < INFLIGHT_MAX; i++)
		inflight_del(&table, &flights[i]);
	assert_int_equal(table.nr, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_flight_is_found_from_any_byte_before_its_end),
		cmocka_unit_test(objects_do_not_mix),
		cmocka_unit_test(a_deleted_flight_is_not_found),
		cmocka_unit_test(a_full_table_leaves_flights_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
