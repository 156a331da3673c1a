/* SPDX-License-Identifier: MIT */
/* pagescan.c - see pagescan.h */
#include "common/pagescan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* From linux/fs.h. */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define REGIONS	   1024

int pagescan_open(pid_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

static int ask(int pagemap_fd, const struct pagescan *scan,
	       struct scan_region regions[REGIONS])
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = scan->start,
		.end = scan->end,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_inverted = scan->inverted,
		.category_mask = scan->wanted,
		.category_anyof_mask = scan->any,
		.return_mask = scan->returned,
	};
	int nr = ioctl(pagemap_fd, SCAN_IOCTL, &arg);

	return nr < 0 ? -errno : nr;
}

/* One answer of the kernel: how many regions, or -errno. */
static int ask_some(int pagemap_fd, struct pagescan *scan,
		    struct scan_region regions[REGIONS])
{
	int nr = ask(pagemap_fd, scan, regions);

	if (nr == -EINVAL && (scan->any & PAGESCAN_GUARD)) {
		scan->any &= ~PAGESCAN_GUARD;
		scan->returned &= ~PAGESCAN_GUARD;
		nr = ask(pagemap_fd, scan, regions);
	}
	/*
	 * A full answer may end early; else all up to the end was seen.  Not by
	 * walk_end: the kernel collects 512 regions at a time, and an answer
	 * that is full just at the end of the walk leaves there where an
	 * earlier collection stopped (do_pagemap_scan() in
	 * fs/proc/task_mmu.c), so that pages would be seen twice.
	 */
	if (nr >= 0)
		scan->start = nr == REGIONS ? regions[nr - 1].end : scan->end;
	return nr;
}

int pagescan(int pagemap_fd, struct pagescan *scan,
	     int (*each)(void *arg, uint64_t start, uint64_t end,
			 uint64_t categories),
	     void *arg)
{
	struct scan_region regions[REGIONS];

	while (scan->start < scan->end) {
		int nr = ask_some(pagemap_fd, scan, regions);

		if (nr < 0)
			return nr;
		for (int i = 0; i < nr; i++) {
			int r = each(arg, regions[i].start, regions[i].end,
				     regions[i].categories);

			if (r)
				return r;
		}
	}
	return 0;
}
