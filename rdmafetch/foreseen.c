/* SPDX-License-Identifier: MIT */
#include "rdmafetch/foreseen.h"

#include <errno.h>
#include <stdlib.h>

#include "common/trace.h"
#include "rdmafetch/pageset.h"

struct foreseen {
	struct pageset *pages;
	struct foreseen_stats stats;
};

int foreseen_new(const struct image *image, struct foreseen **ret)
{
	struct foreseen *foreseen = calloc(1, sizeof(*foreseen));
	int err;

	if (!foreseen)
		return -ENOMEM;
	err = pageset_new(image, &foreseen->pages);
	if (err) {
		free(foreseen);
		return err;
	}
	*ret = foreseen;
	return 0;
}

void foreseen_free(struct foreseen *foreseen)
{
	if (!foreseen)
		return;
	pageset_free(foreseen->pages);
	free(foreseen);
}

void foreseen_issued(struct foreseen *foreseen, struct prefetch_run run)
{
	TRACE(prefetch__issued, run.first_page, run.nr_pages);
	pageset_add(foreseen->pages, run);
}

static void used(struct foreseen *foreseen, struct prefetch_run run,
		 uint64_t *count)
{
	uint64_t nr = pageset_del(foreseen->pages, run);

	*count += nr;
	if (nr)
		TRACE(prefetch__used, run.first_page, nr);
}

static void wasted(struct foreseen *foreseen, struct prefetch_run run,
		   uint64_t *count)
{
	uint64_t nr = pageset_del(foreseen->pages, run);

	*count += nr;
	if (nr)
		TRACE(prefetch__wasted, run.first_page, nr);
}

void foreseen_joined(struct foreseen *foreseen, struct prefetch_run run)
{
	used(foreseen, run, &foreseen->stats.joined_pages);
}

void foreseen_passed(struct foreseen *foreseen, struct prefetch_run run)
{
	used(foreseen, run, &foreseen->stats.passed_pages);
}

void foreseen_seen(struct foreseen *foreseen, struct prefetch_run run)
{
	used(foreseen, run, &foreseen->stats.seen_pages);
}

void foreseen_again(struct foreseen *foreseen, struct prefetch_run run)
{
	wasted(foreseen, run, &foreseen->stats.again_pages);
}

void foreseen_lost(struct foreseen *foreseen, struct prefetch_run run)
{
	wasted(foreseen, run, &foreseen->stats.lost_pages);
}

void foreseen_dropped(struct foreseen *foreseen, struct prefetch_run run)
{
	wasted(foreseen, run, &foreseen->stats.dropped_pages);
}

struct foreseen_stats foreseen_get_stats(const struct foreseen *foreseen)
{
	return foreseen->stats;
}
