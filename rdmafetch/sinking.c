/* SPDX-License-Identifier: MIT */
#include "rdmafetch/sinking.h"

#include "common/page.h"

/* @run, of @nr pieces from @first on, to the sink and the stash. */
static int sink_run(const struct sinking *sinking, const struct flight *first,
		    unsigned nr, struct prefetch_run run)
{
	int err = sinking->sink(sinking->arg, run.first_page, run.nr_pages,
				first->buf);

	for (unsigned i = 0; i < nr; i++)
		stash_put(sinking->stash, lot_run(&first[i]), first[i].buf);
	return err;
}

/* The same of one piece, but for the pages that are @taken. */
static int sink_untaken(const struct sinking *sinking,
			const struct flight *piece, uint64_t taken)
{
	uint64_t first = page_of(piece->raddr), from = 0;
	struct prefetch_run run;
	int err = 0;

	while (!err && (run = lot_untaken(piece, taken, from)).nr_pages) {
		from = run.first_page - first;
		err = sinking->sink(sinking->arg, run.first_page, run.nr_pages,
				    (char *)piece->buf + from * PAGE_BYTES);
		from += run.nr_pages;
	}
	stash_put(sinking->stash, lot_run(piece), piece->buf);
	return err;
}

void sinking_put(const struct sinking *sinking, const struct lot *lot,
		 const uint64_t *taken, int *errs)
{
	struct prefetch_run run;
	const char *buf;

	for (unsigned i = 0, nr; i < lot->nr; i += nr) {
		int err = 0;

		nr = lot_neighbours(lot, i, taken, &run, &buf);
		if (!nr && !lot->pieces[i].result)
			err = sink_untaken(sinking, &lot->pieces[i], taken[i]);
		if (nr)
			err = sink_run(sinking, &lot->pieces[i], nr, run);
		else
			nr = 1;
		for (unsigned k = i; k < i + nr; k++)
			errs[k] = err;
	}
}
