/* SPDX-License-Identifier: MIT */
#include "fs/modes.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"

#define PREFETCH_PAGES 64u /* but for auto, which knows when to stop */

__attribute__((format(printf, 2, 3))) static int wrong(char *why,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, MODES_WHY_MAX + 1, format, args);
	va_end(args);
	return -EINVAL;
}

static const char *const names[] = {
	[MODES_COW] = "cow",
	[MODES_PREFETCH] = "prefetch",
	[MODES_EAGER] = "eager",
};

const char *modes_name(enum modes_kind kind)
{
	return names[kind];
}

static int take_kind(const struct modes_wish *wish, struct modes *modes,
		     char *why)
{
	const char *mode = wish->mode ? wish->mode : "prefetch";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], mode) != 0)
			continue;
		modes->kind = (enum modes_kind)i;
		return 0;
	}
	return wrong(why, "mode=%.80s: no such mode; cow, prefetch or eager",
		     mode);
}

/* "seq" and its like, or a number of pages: so many behind each fault. */
static int take_policy(const struct modes_wish *wish, struct modes *modes,
		       char *why)
{
	const char *word = wish->prefetch;
	uint64_t pages;

	if (!word)
		word = modes->kind == MODES_PREFETCH ? "auto" : "off";
	modes->policy = prefetch_find(word);
	modes->prefetch_pages = wish->prefetch_pages;
	if (wish->prefetch_pages == MODES_UNSET)
		modes->prefetch_pages = modes->policy == &prefetch_auto
						? PREFETCH_PAGES_MAX
						: PREFETCH_PAGES;
	modes->replays = wish->prefetch && strcmp(wish->prefetch, "trace") == 0;
	if (modes->replays)
		modes->policy = &prefetch_off;
	if (modes->policy)
		return 0;
	if (parse_u64(word, 0, PREFETCH_PAGES_MAX, &pages))
		return wrong(why,
			     "prefetch=%.80s: no such policy; %s, trace, or "
			     "how many "
			     "pages behind a fault (0 to %u)",
			     word, PREFETCH_NAMES, PREFETCH_PAGES_MAX);
	if (wish->prefetch_pages != MODES_UNSET)
		return wrong(why,
			     "prefetch=%s says how many pages already: leave "
			     "out prefetch_pages=%u",
			     word, wish->prefetch_pages);
	modes->policy = pages ? &prefetch_next : &prefetch_off;
	modes->prefetch_pages = pages ? (unsigned)pages : PREFETCH_PAGES;
	return 0;
}

static int take_eager(const struct modes_wish *wish, struct modes *modes,
		      char *why)
{
	if (!wish->eager)
		return 0;
	if (modes->kind != MODES_EAGER)
		return wrong(why,
			     "eager=%.80s is about mode=eager: add that, or "
			     "leave it out",
			     wish->eager);
	modes->waits = !strcmp(wish->eager, "wait");
	if (modes->waits || !strcmp(wish->eager, "background"))
		return 0;
	return wrong(why, "eager=%.80s: background or wait", wish->eager);
}

static const char *const cache_names[] = {
	[MODES_CACHE_KERNEL] = "kernel",
	[MODES_CACHE_OFF] = "off",
	[MODES_CACHE_STASH] = "stash",
};

const char *modes_cache_name(enum modes_cache cache)
{
	return cache_names[cache];
}

static int take_cache(const struct modes_wish *wish, struct modes *modes,
		      char *why)
{
	const char *word = wish->cache	 ? wish->cache
			   : wish->stash ? "stash"
					 : "kernel";
	unsigned i = 0, nr = sizeof(cache_names) / sizeof(cache_names[0]);

	while (i < nr && strcmp(cache_names[i], word) != 0)
		i++;
	if (i == nr)
		return wrong(why,
			     "cache=%.80s: no such cache; off, kernel or stash",
			     word);
	modes->cache = (enum modes_cache)i;
	return 0;
}

/* Only what brings everything can be complete. */
static int take_warm(const struct modes_wish *wish, struct modes *modes,
		     char *why)
{
	static const char *const words[] = {
		[MODES_WARM_OFF] = "off",
		[MODES_WARM_AUTO] = "auto",
		[MODES_WARM_REQUIRE] = "require",
	};
	const char *word = wish->warm;
	unsigned i = 0;

	if (!word)
		word = modes->kind == MODES_EAGER ? "auto" : "off";
	while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i], word))
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return wrong(why, "warm=%.80s: auto, off or require", word);
	if (i != MODES_WARM_OFF && modes->kind != MODES_EAGER)
		return wrong(why,
			     "warm=%.80s is for an image that comes whole: add "
			     "mode=eager, or leave it out",
			     word);
	modes->warm = (enum modes_warm)i;
	return 0;
}

/* stash= and cache_size= are about a stash, and bring one or want one. */
static int take_stash(const struct modes_wish *wish, struct modes *modes,
		      char *why)
{
	bool is_stash = modes->cache == MODES_CACHE_STASH;

	if (!is_stash && wish->stash)
		return wrong(why,
			     "stash=%.80s keeps pages there and cache=%s does "
			     "not: leave out one of the two",
			     wish->stash, modes_cache_name(modes->cache));
	if (!is_stash && wish->cache_size)
		return wrong(why,
			     "cache_size=%.40s is the bound of a stash (the "
			     "kernel's own cache has none): add stash=DIR or "
			     "cache=stash, or leave it out",
			     wish->cache_size);
	if (wish->stash && wish->stash[0] != '/')
		return wrong(why,
			     "stash=%.80s: a directory is wanted, by its path "
			     "from the root",
			     wish->stash);
	modes->cache_bytes = is_stash ? MODES_CACHE_BYTES : 0;
	modes->cache_is_said = wish->cache_size;
	if (wish->cache_size &&
	    (parse_bytes(wish->cache_size, INT64_MAX, &modes->cache_bytes) ||
	     modes->cache_bytes < MODES_CACHE_MIN))
		return wrong(why,
			     "cache_size=%.40s: bytes, or with K, M or G, and "
			     "1M at least",
			     wish->cache_size);
	return 0;
}

static int check_range(const char *name, unsigned value,
		       const unsigned bounds[2], char *why)
{
	if (value == MODES_UNSET || (value >= bounds[0] && value <= bounds[1]))
		return 0;
	return wrong(why, "%s=%u is out of range: %u to %u", name, value,
		     bounds[0], bounds[1]);
}

static int check_ranges(const struct modes_wish *wish, char *why)
{
	static const unsigned pages[] = {1, PREFETCH_PAGES_MAX},
			      kb[] = {MODES_AHEAD_MIN_KB, MODES_AHEAD_MAX_KB};
	int r = check_range("prefetch_pages", wish->prefetch_pages, pages, why);

	return r ? r : check_range("readahead", wish->readahead_kb, kb, why);
}

/* What is stored before anybody opens it is dropped by the first who does. */
static int check_cache(const struct modes *modes, char *why)
{
	if (modes->cache != MODES_CACHE_OFF)
		return 0;
	if (modes->kind == MODES_EAGER)
		return wrong(why, "%s",
			     "cache=off keeps no page for a later open, and "
			     "mode=eager brings them all before: leave out one "
			     "of the two");
	if (modes->replays)
		return wrong(why, "%s",
			     "cache=off keeps no page for a later open, and "
			     "prefetch=trace brings them before: leave out one "
			     "of the two");
	return 0;
}

/* prefetch_pages= is of a policy, and only mode=prefetch has one. */
static int check_pages(const struct modes_wish *wish, const struct modes *modes,
		       char *why)
{
	if (wish->prefetch_pages == MODES_UNSET ||
	    modes->policy != &prefetch_off)
		return 0;
	if (modes->kind != MODES_PREFETCH)
		return wrong(why,
			     "mode=%s %s: leave out prefetch_pages=%u, or use "
			     "mode=prefetch",
			     modes_name(modes->kind),
			     modes->kind == MODES_COW
				     ? "brings one page a fault"
				     : "brings every page anyway",
			     wish->prefetch_pages);
	return wrong(why,
		     "prefetch=%s brings no pages behind a fault: leave out "
		     "prefetch_pages=%u, or use prefetch=seq",
		     wish->prefetch, wish->prefetch_pages);
}

/* A mode says by itself how much comes: other words about that are refused. */
static int check_contradictions(const struct modes_wish *wish,
				const struct modes *modes, char *why)
{
	bool has_policy = modes->policy != &prefetch_off || modes->replays;

	if (modes->kind == MODES_COW && wish->readahead_kb != MODES_UNSET)
		return wrong(why,
			     "mode=cow brings one page a fault: leave out "
			     "readahead=%u, or use mode=prefetch",
			     wish->readahead_kb);
	if (modes->kind == MODES_COW && has_policy)
		return wrong(why,
			     "mode=cow brings nothing ahead: leave out "
			     "prefetch=%s, or use mode=prefetch",
			     wish->prefetch);
	if (modes->kind == MODES_EAGER && has_policy)
		return wrong(why,
			     "mode=eager brings every page anyway: leave out "
			     "prefetch=%s, or use mode=prefetch",
			     wish->prefetch);
	return check_pages(wish, modes, why);
}

int modes_decide(const struct modes_wish *wish, struct modes *ret_modes,
		 char *why)
{
	struct modes modes = {0};
	int r = take_kind(wish, &modes, why);

	if (!r)
		r = check_ranges(wish, why);
	if (!r)
		r = take_policy(wish, &modes, why);
	if (!r)
		r = take_eager(wish, &modes, why);
	if (!r)
		r = take_cache(wish, &modes, why);
	if (!r)
		r = take_warm(wish, &modes, why);
	if (!r)
		r = take_stash(wish, &modes, why);
	if (!r)
		r = check_contradictions(wish, &modes, why);
	if (!r)
		r = check_cache(&modes, why);
	if (r)
		return r;
	modes.readahead_kb = wish->readahead_kb;
	if (wish->readahead_kb == MODES_UNSET)
		modes.readahead_kb =
			modes.kind == MODES_COW ? 0 : MODES_AHEAD_KB;
	*ret_modes = modes;
	return 0;
}
