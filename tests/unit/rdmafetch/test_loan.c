/* SPDX-License-Identifier: MIT */
/*
 * test_loan.c - an answer in pieces: in the right order, trimmed, given back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/loan.h"
#include "rdmafetch/pump.h"

static char buf[] = "..........";
static char lent[] = "0123456789";

/* Lend [@from, @to) of the answer, out of @flight. */
static void lend(struct loan *loan, struct flight *flight, size_t from,
		 size_t to)
{
	flight->pins++;
	loan_add(loan, flight, buf + from,
		 &(struct iovec){lent + from, to - from});
}

static void expect(const struct loan *loan, const char *want)
{
	char is[sizeof(buf)] = "";
	size_t len = 0;

	for (unsigned i = 0; i < loan->nr; i++) {
		assert_true(loan->iov[i].iov_len > 0);
		memcpy(is + len, loan->iov[i].iov_base, loan->iov[i].iov_len);
		len += loan->iov[i].iov_len;
	}
	assert_string_equal(is, want);
}

static void what_is_lent_is_in_its_place(void **state)
{
	struct flight flight = {0};
	struct loan loan;

	loan_begin(&loan, buf);
	loan_end(&loan, buf + 10);
	expect(&loan, "..........");
	loan_begin(&loan, buf);
	lend(&loan, &flight, 2, 4);
	lend(&loan, &flight, 4, 5);
	lend(&loan, &flight, 8, 10);
	loan_end(&loan, buf + 10);
	expect(&loan, "..234...89");
}

static void as_much_as_fits_is_lent(void **state)
{
	struct flight flight = {0};
	struct loan loan;
	char many[2 * LOAN_PARTS_MAX + 1];

	loan_begin(&loan, many);
	for (unsigned i = 0; i < LOAN_PARTS_MAX; i++)
		loan_add(&loan, &flight, many + 2 * i + 1,
			 &(struct iovec){lent, 1});
	loan_end(&loan, many + sizeof(many));
	assert_int_equal(loan.nr, 2 * LOAN_PARTS_MAX + 1);
	assert_true(loan.nr <= sizeof(loan.iov) / sizeof(loan.iov[0]));
}

static void an_answer_is_trimmed_at_both_ends(void **state)
{
	static const struct {
		size_t skip, len;
		const char *want;
	} rows[] = {
		{0, 10, "..234...89"},
		{1, 3, ".23"},
		{2, 3, "234"},
		{3, 6, "34...8"},
		{9, 9, "9"},
		{10, 1, ""},
		{4, 0, ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flight flight = {0};
		struct loan loan;

		loan_begin(&loan, buf);
		lend(&loan, &flight, 2, 5);
		lend(&loan, &flight, 8, 10);
		loan_end(&loan, buf + 10);
		loan_trim(&loan, rows[i].skip, rows[i].len);
		expect(&loan, rows[i].want);
	}
}

static void all_is_given_back_once(void **state)
{
	struct pump_options options = {.tries = 1};
	struct flight one = {.pins = 1}, other = {0};
	struct pump pump;
	struct loan loan;

	assert_int_equal(pump_init(&pump, NULL, &options), 0);
	loan_begin(&loan, buf);
	lend(&loan, &one, 0, 1);
	lend(&loan, &other, 1, 2);
	lend(&loan, &other, 3, 4);
	loan_trim(&loan, 0, 1);
	loan_return(&loan, &pump);
	assert_int_equal(one.pins, 1); /* another's */
	assert_int_equal(other.pins, 0);
	loan_return(&loan, &pump);
	assert_int_equal(one.pins, 1);
	expect(&loan, "");
	pump_done(&pump);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lent_is_in_its_place),
		cmocka_unit_test(as_much_as_fits_is_lent),
		cmocka_unit_test(an_answer_is_trimmed_at_both_ends),
		cmocka_unit_test(all_is_given_back_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
