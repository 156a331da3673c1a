/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fs/channel.h"

static void names_lead_back(void **state)
{
	enum channel_wish wish = CHANNEL_AUTO;

	assert_int_equal(channel_parse("io_uring", &wish), 0);
	assert_int_equal(wish, CHANNEL_URING);
	assert_int_equal(channel_parse("dev", &wish), 0);
	assert_int_equal(wish, CHANNEL_DEV);
	assert_int_equal(channel_parse("uring", &wish), -EINVAL);
	assert_int_equal(channel_parse("", &wish), -EINVAL);
	assert_int_equal(wish, CHANNEL_DEV);
	assert_string_equal(channel_name(true), "io_uring");
	assert_string_equal(channel_name(false), "dev");
}

static void what_waits_takes_the_device(void **state)
{
	char why[CHANNEL_WHY_MAX + 1];
	bool uring = true;

	assert_int_equal(channel_choose(CHANNEL_AUTO, true, &uring, why), 0);
	assert_false(uring);
	uring = true;
	assert_int_equal(channel_choose(CHANNEL_DEV, false, &uring, why), 0);
	assert_false(uring);
	assert_string_equal(channel_words(false), "");
	assert_int_equal(channel_threads(true), 8);
	assert_in_range(channel_threads(false), 2, 8);
}

static void what_cannot_be_had_is_refused_with_a_reason(void **state)
{
	char why[CHANNEL_WHY_MAX + 1] = "";
	bool has = channel_has_uring(why), uring = !has;
	int r;

	assert_int_equal(channel_choose(CHANNEL_AUTO, false, &uring, why), 0);
	assert_int_equal(uring, has);
	r = channel_choose(CHANNEL_URING, true, &uring, why);
	assert_int_equal(r, has ? 0 : -EOPNOTSUPP);
	assert_int_equal(!has, why[0] != '\0');
	assert_non_null(strstr(channel_words(true), ",io_uring"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_back),
		cmocka_unit_test(what_waits_takes_the_device),
		cmocka_unit_test(what_cannot_be_had_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
