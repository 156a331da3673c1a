/* SPDX-License-Identifier: MIT */
/* What a mount's file status says to mitosisctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/mountstatus.h"

static void parse(const char *text, struct mountstatus *ret)
{
	static char copy[1024];

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	mountstatus_parse(copy, ret);
}

static void lines_are_found_by_their_keys(void **state)
{
	struct mountstatus status;

	parse("source: parent:/image/a b\ntransport: tcp (why: x)\n"
	      "state: waiting: reads of new pages wait for the parent\n"
	      "pages_present: 59995\nmode: eager\ntier: warm\n"
	      "pages_here: 12\nusers: 3\nunknown: 5\n",
	      &status);
	assert_string_equal(status.source, "parent:/image/a b");
	assert_string_equal(status.state, "waiting");
	assert_string_equal(status.mode, "eager");
	assert_string_equal(status.tier, "warm");
	assert_string_equal(status.why, "");
	assert_int_equal(status.pages_present, 59995);
	assert_int_equal(status.pages_here, 12);
	assert_int_equal(status.users, 3);
}

static void what_is_cold_has_its_reason(void **state)
{
	struct mountstatus status;

	parse("tier: cold (mitosisfs has no CAP_SYS_ADMIN)\n", &status);
	assert_string_equal(status.tier, "cold");
	assert_string_equal(status.why, "mitosisfs has no CAP_SYS_ADMIN");
}

static void what_is_not_said_is_empty(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"tier",
		"tier:",
		"tier: ",
		": ",
		":",
		" ",
		"users: x",
		"users: -1",
		"pages_here: 99999999999999999999999",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mountstatus status;

		parse(texts[i], &status);
		assert_string_equal(status.source, "");
		assert_string_equal(status.state, "");
		assert_string_equal(status.mode, "");
		assert_string_equal(status.tier, "");
		assert_string_equal(status.why, "");
		assert_int_equal(status.users, 0);
		assert_int_equal(status.pages_here, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_found_by_their_keys),
		cmocka_unit_test(what_is_cold_has_its_reason),
		cmocka_unit_test(what_is_not_said_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
