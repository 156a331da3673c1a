/* SPDX-License-Identifier: MIT */
/* Which words about the coming of pages go together, and what they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "fs/modes.h"

#define UNSET	      MODES_UNSET
#define SIZE_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct {
	struct modes_wish wish;
	struct modes want;
} legal[] = {
	{{NULL, NULL, NULL, UNSET, UNSET},
	 {MODES_PREFETCH, &prefetch_auto, 512, MODES_AHEAD_KB}},
	{{NULL, NULL, NULL, 9, UNSET},
	 {MODES_PREFETCH, &prefetch_auto, 9, MODES_AHEAD_KB}},
	{{"prefetch", "seq", NULL, 16, 32},
	 {MODES_PREFETCH, &prefetch_seq, 16, 32}},
	{{NULL, "1", NULL, UNSET, UNSET},
	 {MODES_PREFETCH, &prefetch_next, 1, MODES_AHEAD_KB}},
	{{NULL, "0", NULL, UNSET, 4}, {MODES_PREFETCH, &prefetch_off, 64, 4}},
	{{NULL, "stride", NULL, UNSET, UNSET},
	 {MODES_PREFETCH, &prefetch_stride, 64, MODES_AHEAD_KB}},
	{{NULL, "trace", NULL, UNSET, UNSET},
	 {MODES_PREFETCH, &prefetch_off, 64, MODES_AHEAD_KB, .replays = true}},
	{{"cow", NULL, NULL, UNSET, UNSET}, {MODES_COW, &prefetch_off, 64, 0}},
	{{"cow", "off", NULL, UNSET, UNSET}, {MODES_COW, &prefetch_off, 64, 0}},
	{{"eager", NULL, NULL, UNSET, UNSET},
	 {MODES_EAGER, &prefetch_off, 64, MODES_AHEAD_KB}},
	{{"eager", "off", "background", UNSET, 512},
	 {MODES_EAGER, &prefetch_off, 64, 512}},
	{{"eager", NULL, "wait", UNSET, UNSET},
	 {MODES_EAGER, &prefetch_off, 64, MODES_AHEAD_KB, .waits = true}},
	{{NULL, NULL, NULL, UNSET, UNSET, "kernel"},
	 {MODES_PREFETCH, &prefetch_auto, 512, MODES_AHEAD_KB}},
	{{"eager", NULL, NULL, UNSET, UNSET, "kernel"},
	 {MODES_EAGER, &prefetch_off, 64, MODES_AHEAD_KB}},
	{{"cow", NULL, NULL, UNSET, UNSET, "off"},
	 {MODES_COW, &prefetch_off, 64, 0, .cache = MODES_CACHE_OFF}},
	{{NULL, "seq", NULL, UNSET, UNSET, "off"},
	 {MODES_PREFETCH, &prefetch_seq, 64, MODES_AHEAD_KB,
	  .cache = MODES_CACHE_OFF}},
	{{"eager", NULL, "wait", UNSET, UNSET, "stash"},
	 {MODES_EAGER, &prefetch_off, 64, MODES_AHEAD_KB, .waits = true,
	  .cache = MODES_CACHE_STASH, .cache_bytes = 1ull << 30}},
	{{"cow", NULL, NULL, UNSET, UNSET, "stash", "/dir", "3G"},
	 {MODES_COW, &prefetch_off, 64, 0, .cache = MODES_CACHE_STASH,
	  .cache_bytes = 3ull << 30}},
	{{NULL, "seq", NULL, UNSET, UNSET, NULL, "/dir"},
	 {MODES_PREFETCH, &prefetch_seq, 64, MODES_AHEAD_KB,
	  .cache = MODES_CACHE_STASH, .cache_bytes = 1ull << 30}},
	{{NULL, NULL, NULL, UNSET, UNSET, "stash", NULL, "1048576"},
	 {MODES_PREFETCH, &prefetch_auto, 512, MODES_AHEAD_KB,
	  .cache = MODES_CACHE_STASH, .cache_bytes = 1 << 20}},
};

static void legal_words_mean_what_they_say(void **state)
{
	for (size_t i = 0; i < SIZE_OF(legal); i++) {
		const struct modes *want = &legal[i].want;
		char why[MODES_WHY_MAX + 1] = "";
		struct modes modes;

		if (modes_decide(&legal[i].wish, &modes, why))
			fail_msg("row %zu: %s", i, why);
		assert_int_equal(modes.kind, want->kind);
		assert_ptr_equal(modes.policy, want->policy);
		assert_int_equal(modes.prefetch_pages, want->prefetch_pages);
		assert_int_equal(modes.readahead_kb, want->readahead_kb);
		assert_int_equal(modes.waits, want->waits);
		assert_int_equal(modes.replays, want->replays);
		assert_int_equal(modes.cache, want->cache);
		assert_int_equal(modes.cache_bytes, want->cache_bytes);
		assert_int_equal(modes.cache_is_said,
				 !!legal[i].wish.cache_size);
	}
}

/* A refusal names what was said, and says what to do. */
static const struct {
	struct modes_wish wish;
	const char *words[2];
} illegal[] = {
	{{"cows", NULL, NULL, UNSET, UNSET}, {"mode=cows", "eager"}},
	{{NULL, "most", NULL, UNSET, UNSET}, {"prefetch=most", "seq"}},
	{{NULL, "513", NULL, UNSET, UNSET}, {"prefetch=513", "512"}},
	{{NULL, "-1", NULL, UNSET, UNSET}, {"prefetch=-1", "512"}},
	{{NULL, "8", NULL, 9, UNSET}, {"prefetch=8", "prefetch_pages=9"}},
	{{NULL, "off", NULL, 9, UNSET}, {"prefetch_pages=9", "prefetch=seq"}},
	{{"cow", NULL, NULL, 9, UNSET}, {"prefetch_pages=9", "mode=prefetch"}},
	{{"cow", "off", NULL, 9, UNSET}, {"prefetch_pages=9", "one page a"}},
	{{"eager", NULL, NULL, 9, UNSET}, {"prefetch_pages=9", "every page"}},
	{{"eager", NULL, NULL, 8, UNSET}, {"mode=prefetch", "leave out"}},
	{{NULL, "seq", NULL, 0, UNSET}, {"prefetch_pages=0", "1 to 512"}},
	{{NULL, NULL, NULL, UNSET, 3}, {"readahead=3", "4 to 16384"}},
	{{"cow", NULL, NULL, UNSET, 64}, {"readahead=64", "mode=prefetch"}},
	{{"cow", "seq", NULL, UNSET, UNSET}, {"prefetch=seq", "mode=prefetch"}},
	{{"cow", "1", NULL, UNSET, UNSET}, {"prefetch=1", "mode=prefetch"}},
	{{"cow", "trace", NULL, UNSET, UNSET},
	 {"prefetch=trace", "mode=prefetch"}},
	{{"eager", "trace", NULL, UNSET, UNSET},
	 {"prefetch=trace", "leave out"}},
	{{NULL, "trace", NULL, 8, UNSET}, {"prefetch_pages=8", "leave out"}},
	{{"eager", "next", NULL, UNSET, UNSET}, {"prefetch=next", "leave out"}},
	{{"eager", NULL, "soon", UNSET, UNSET}, {"eager=soon", "wait"}},
	{{NULL, NULL, "wait", UNSET, UNSET}, {"eager=wait", "mode=eager"}},
	{{"cow", NULL, "wait", UNSET, UNSET}, {"eager=wait", "mode=eager"}},
	{{NULL, NULL, NULL, UNSET, UNSET, "on"}, {"cache=on", "stash"}},
	{{NULL, NULL, NULL, UNSET, UNSET, ""}, {"cache=", "kernel"}},
	{{"eager", NULL, NULL, UNSET, UNSET, "off"},
	 {"cache=off", "mode=eager"}},
	{{NULL, "trace", NULL, UNSET, UNSET, "off"},
	 {"cache=off", "prefetch=trace"}},
	{{NULL, NULL, NULL, UNSET, UNSET, "off", "/dir"},
	 {"stash=/dir", "cache=off"}},
	{{NULL, NULL, NULL, UNSET, UNSET, "kernel", "/dir"},
	 {"stash=/dir", "cache=kernel"}},
	{{NULL, NULL, NULL, UNSET, UNSET, NULL, NULL, "1G"},
	 {"cache_size=1G", "stash=DIR"}},
	{{NULL, NULL, NULL, UNSET, UNSET, NULL, "/dir", "1023K"},
	 {"cache_size=1023K", "1M"}},
	{{NULL, NULL, NULL, UNSET, UNSET, NULL, "/dir", "much"},
	 {"cache_size=much", "G"}},
	{{NULL, NULL, NULL, UNSET, UNSET, NULL, "/dir", "9999999999G"},
	 {"cache_size=9999999999G", "G"}},
	{{NULL, NULL, NULL, UNSET, UNSET, NULL, ""}, {"stash=", "directory"}},
	{{NULL, NULL, NULL, UNSET, UNSET, NULL, "dir"}, {"stash=dir", "root"}},
};

static void illegal_words_are_refused_with_the_reason(void **state)
{
	for (size_t i = 0; i < SIZE_OF(illegal); i++) {
		char why[MODES_WHY_MAX + 1] = "";
		struct modes modes = {.prefetch_pages = 12345};

		assert_int_equal(modes_decide(&illegal[i].wish, &modes, why),
				 -EINVAL);
		for (int word = 0; word < 2; word++)
			if (!strstr(why, illegal[i].words[word]))
				fail_msg("row %zu: '%s' does not say '%s'", i,
					 why, illegal[i].words[word]);
		assert_int_equal(modes.prefetch_pages, 12345);
	}
}

static void a_mode_has_the_name_it_is_called_by(void **state)
{
	for (size_t i = 0; i < SIZE_OF(legal); i++) {
		const struct modes_wish *wish = &legal[i].wish;

		if (wish->mode)
			assert_string_equal(modes_name(legal[i].want.kind),
					    wish->mode);
		if (wish->cache)
			assert_string_equal(
				modes_cache_name(legal[i].want.cache),
				wish->cache);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_words_mean_what_they_say),
		cmocka_unit_test(illegal_words_are_refused_with_the_reason),
		cmocka_unit_test(a_mode_has_the_name_it_is_called_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
