/* SPDX-License-Identifier: MIT */
#include "fs/stashing.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/page.h"
#include "fs/memroom.h"

int stashing_prepare(struct stashing *stashing, const struct options *options,
		     char *why)
{
	*stashing = (struct stashing){.dir_fd = -1};
	stashing->is_wanted = options->modes.cache == MODES_CACHE_STASH;
	(void)snprintf(stashing->where, sizeof(stashing->where), "%s",
		       options->stash ? options->stash : "memory");
	if (!options->stash)
		return 0;
	return stash_dir_open(options->stash, &stashing->dir_fd, why);
}

static const char *words_of(int err)
{
	switch (err) {
	case -EBUSY:
		return "another mitosisfs uses this image's file, or is "
		       "at the directory all the time";
	case -EFBIG:
		return "cache_size, or the longest file that is allowed here "
		       "(RLIMIT_FSIZE), leaves no room for this image's pages";
	default:
		return strerror(-err);
	}
}

/*
 * What is in memory the kernel cannot drop: unless somebody has said how much,
 * half of what may be taken at most.  Not the default itself, which mounts that
 * share a server must have in common.
 */
static uint64_t bound(const struct options *options)
{
	const struct modes *modes = &options->modes;
	uint64_t half;

	if (options->stash || modes->cache_is_said)
		return modes->cache_bytes;
	half = memroom_bytes() / 2;
	if (half < MODES_CACHE_MIN)
		return MODES_CACHE_MIN;
	return half < modes->cache_bytes ? half : modes->cache_bytes;
}

void stashing_open(struct stashing *stashing, const struct options *options,
		   const struct stashing_image *image)
{
	const struct stash_options wish = {
		.image = image->image,
		.desc = image->desc,
		.desc_bytes = image->desc_bytes,
		.dir_fd = stashing->dir_fd,
		.max_bytes = bound(options),
		.is_transient = image->is_transient,
	};
	int err;

	if (!stashing->is_wanted)
		return;
	err = stash_open(&wish, &stashing->stash);
	if (err)
		(void)snprintf(stashing->why_not, sizeof(stashing->why_not),
			       "%s", words_of(err));
}

void stashing_close(struct stashing *stashing, bool is_gone)
{
	if (stashing->stash && is_gone)
		stash_forget(stashing->stash);
	stash_close(stashing->stash);
	if (stashing->dir_fd >= 0)
		(void)close(stashing->dir_fd);
	*stashing = (struct stashing){.dir_fd = -1};
}

/* ---- as it is told ---- */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{"stash_hit_pages", offsetof(struct stash_stats, hit_pages)},
	{"stash_miss_pages", offsetof(struct stash_stats, miss_pages)},
	{"stash_kept_pages", offsetof(struct stash_stats, kept_pages)},
	{"stash_evicted_pages", offsetof(struct stash_stats, evicted_pages)},
	{"stash_bad_pages", offsetof(struct stash_stats, bad_pages)},
	{"stash_failed_pages", offsetof(struct stash_stats, failed_pages)},
	{"stash_bytes", offsetof(struct stash_stats, used_bytes)},
	{"stash_max_bytes", offsetof(struct stash_stats, max_bytes)},
};

#define NR_COUNTERS (sizeof(counters) / sizeof(counters[0]))

static uint64_t counter(const struct stash_stats *stats, size_t i)
{
	return *(const uint64_t *)((const char *)stats + counters[i].offset);
}

void stashing_print(FILE *out, const struct stashing *stashing)
{
	struct stash_stats stats;

	if (!stashing->is_wanted)
		return;
	if (!stashing->stash) {
		fprintf(out, "stash: none: %s\n", stashing->why_not);
		return;
	}
	fprintf(out, "stash: %s\n", stashing->where);
	stash_get_stats(stashing->stash, &stats);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		fprintf(out, "%s: %" PRIu64 "\n", counters[i].name,
			counter(&stats, i));
}

void stashing_put(struct json *json, const struct stashing *stashing)
{
	struct stash_stats stats;

	if (!stashing->is_wanted)
		return;
	if (!stashing->stash) {
		json_string(json, "stash_why_not", stashing->why_not);
		return;
	}
	json_string(json, "stash", stashing->where);
	stash_get_stats(stashing->stash, &stats);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		json_u64(json, counters[i].name, counter(&stats, i));
}

#define ROW(name, type, field, unit, help)                                     \
	{                                                                      \
		"mitosisfs_stash_" name, help, type,                           \
			offsetof(struct stash_stats, field), unit              \
	}

static const struct {
	const char *name, *help;
	enum prom_type type;
	size_t offset;
	uint64_t unit; /* of the field, in bytes */
} families[] = {
	ROW("hit_bytes_total", PROM_COUNTER, hit_pages, PAGE_BYTES,
	    "What was asked for and found in the stash."),
	ROW("miss_bytes_total", PROM_COUNTER, miss_pages, PAGE_BYTES,
	    "What was asked for and not found there."),
	ROW("kept_bytes_total", PROM_COUNTER, kept_pages, PAGE_BYTES,
	    "What was put into the stash."),
	ROW("evicted_bytes_total", PROM_COUNTER, evicted_pages, PAGE_BYTES,
	    "What was thrown out for the sake of the bound."),
	ROW("bad_bytes_total", PROM_COUNTER, bad_pages, PAGE_BYTES,
	    "What was found damaged, and fetched anew."),
	ROW("failed_bytes_total", PROM_COUNTER, failed_pages, PAGE_BYTES,
	    "What could not be put in: no room, or an error."),
	ROW("bytes", PROM_GAUGE, used_bytes, 1, "What the stash takes."),
	ROW("limit_bytes", PROM_GAUGE, max_bytes, 1,
	    "What it may take: cache_size."),
};

void stashing_metrics(struct prom *prom, const struct stashing *stashing)
{
	struct stash_stats stats;
	uint64_t value;

	if (!stashing->stash)
		return;
	stash_get_stats(stashing->stash, &stats);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		memcpy(&value, (const char *)&stats + families[i].offset,
		       sizeof(value));
		prom_family(prom, families[i].name, families[i].type,
			    families[i].help);
		prom_u64(prom, NULL, value * families[i].unit);
	}
}
