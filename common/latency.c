/* SPDX-License-Identifier: MIT */
/* latency.c - see latency.h */
#include "common/latency.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/parse.h"

#define WORD_MAX  24u
#define COUNT_MAX (UINT64_C(1) << 48) /* sums of all buckets do not wrap */

const char *latency_name(enum latency_how how)
{
	static const char *const names[LATENCY_HOWS] = {
		[LATENCY_HERE] = "here",
		[LATENCY_JOINED] = "joined",
		[LATENCY_FETCHED] = "fetched",
	};

	return names[how];
}

void latency_merge(const struct latency *latency, struct hist *all)
{
	for (int how = 0; how < LATENCY_HOWS; how++)
		hist_merge(all, &latency->by[how]);
}

void latency_write(FILE *out, const struct latency *latency)
{
	for (int how = 0; how < LATENCY_HOWS; how++)
		for (unsigned i = 0; i < HIST_BUCKETS; i++)
			if (latency->by[how].counts[i])
				(void)fprintf(
					out, "%s %" PRIu64 " %" PRIu64 "\n",
					latency_name(how), hist_bucket_last(i),
					latency->by[how].counts[i]);
}

/* Cut the next word, up to @end, off *@text: 0 or -EPROTO. */
static int take_word(const char **text, char end, char word[WORD_MAX])
{
	size_t len = strcspn(*text, " \n");

	if (len >= WORD_MAX || (*text)[len] != end)
		return -EPROTO;
	memcpy(word, *text, len);
	word[len] = '\0';
	*text += len + 1;
	return 0;
}

static int take_number(const char **text, char end, uint64_t max,
		       uint64_t *ret_number)
{
	char word[WORD_MAX];

	if (take_word(text, end, word) || parse_u64(word, 0, max, ret_number))
		return -EPROTO;
	return 0;
}

static struct hist *hist_named(struct latency *latency, const char *name)
{
	for (int how = 0; how < LATENCY_HOWS; how++)
		if (!strcmp(latency_name(how), name))
			return &latency->by[how];
	return NULL;
}

int latency_read(const char *text, struct latency *ret)
{
	while (*text) {
		uint64_t up_to, count;
		char name[WORD_MAX];
		struct hist *hist;

		if (take_word(&text, ' ', name) ||
		    take_number(&text, ' ', UINT64_MAX, &up_to) ||
		    take_number(&text, '\n', COUNT_MAX, &count))
			return -EPROTO;
		hist = hist_named(ret, name);
		if (!hist || hist_add_bucket(hist, up_to, count))
			return -EPROTO;
	}
	return 0;
}

void latency_subtract(struct latency *latency, const struct latency *before)
{
	for (int how = 0; how < LATENCY_HOWS; how++)
		hist_subtract(&latency->by[how], &before->by[how]);
}
