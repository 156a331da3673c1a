/* SPDX-License-Identifier: MIT */
#include "parent/pagemap.h"

#include <errno.h>
#include <unistd.h>

#include "common/page.h"
#include "common/pagescan.h"

/* Bits of an entry. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)

#define ENTRIES 2048

struct lists {
	struct runlist *data, *guards;
};

static int add_region(void *arg, uint64_t start, uint64_t end,
		      uint64_t categories)
{
	const struct lists *lists = arg;
	struct runlist *list =
		categories & PAGESCAN_GUARD ? lists->guards : lists->data;

	if (!list)
		return 0;
	return runlist_add(list, page_of(start), page_of(end - start));
}

int pagemap_scan(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *data, struct runlist *guards)
{
	struct lists lists = {data, guards};
	struct pagescan scan = {
		.start = start,
		.end = end,
		.inverted = PAGESCAN_ZERO,
		.wanted = PAGESCAN_ZERO,
		.any = PAGESCAN_PRESENT | PAGESCAN_SWAPPED | PAGESCAN_GUARD,
		.returned = PAGESCAN_GUARD,
	};
	int rc = pagescan(pagemap_fd, &scan, add_region, &lists);

	if (rc == -ENOTTY)
		return data ? pagemap_read(pagemap_fd, scan.start, end, data)
			    : 0;
	return rc;
}

static bool has_data(uint64_t entry)
{
	return entry & (ENTRY_PRESENT | ENTRY_SWAPPED);
}

int pagemap_read(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *list)
{
	uint64_t entries[ENTRIES], page = page_of(start), last = page_of(end);

	while (page < last) {
		uint64_t want = last - page < ENTRIES ? last - page : ENTRIES;
		ssize_t got =
			pread(pagemap_fd, entries, want * 8, (off_t)(page * 8));

		if (got < 8)
			return got < 0 ? -errno : -ESRCH;
		for (uint64_t i = 0; i < (uint64_t)got / 8; i++) {
			int rc = has_data(entries[i])
					 ? runlist_add(list, page + i, 1)
					 : 0;

			if (rc)
				return rc;
		}
		page += (uint64_t)got / 8;
	}
	return 0;
}
