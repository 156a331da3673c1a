/* SPDX-License-Identifier: MIT */
#include "parent/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/page.h"

/* From linux/fs.h of Linux 6.7 and (GUARD) 6.15: Debian's headers are older. */
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_SWAPPED (UINT64_C(1) << 4)
#define SCAN_ZERO    (UINT64_C(1) << 5)
#define SCAN_GUARD   (UINT64_C(1) << 8)

struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

/* Bits of an entry. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_GUARD   (UINT64_C(1) << 58)

#define REGIONS 1024
#define ENTRIES 2048

int pagemap_open(pid_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

static int add_regions(struct runlist *list, const struct scan_region *regions,
		       int nr)
{
	for (int i = 0; i < nr; i++) {
		uint64_t pages = page_of(regions[i].end - regions[i].start);
		int rc = runlist_add(list, page_of(regions[i].start), pages);

		if (rc)
			return rc;
	}
	return 0;
}

/* One answer of the kernel; @arg->start moves to where it stopped. */
static int scan_some(int pagemap_fd, struct scan_arg *arg, struct runlist *list)
{
	struct scan_region regions[REGIONS];
	int nr;

	arg->vec = (uintptr_t)regions;
	arg->vec_len = REGIONS;
	nr = ioctl(pagemap_fd, SCAN_IOCTL, arg);
	if (nr < 0 && errno == EINVAL && (arg->category_mask & SCAN_GUARD)) {
		/* Linux 6.7 to 6.14 know no such category. */
		arg->category_mask = arg->category_inverted = SCAN_ZERO;
		nr = ioctl(pagemap_fd, SCAN_IOCTL, arg);
	}
	if (nr < 0)
		return -errno;
	/*
	 * A full answer may end early; else all up to the end was seen.  Not by
	 * walk_end: the kernel collects 512 regions at a time, and an answer
	 * that is full just at the end of the walk leaves there where an
	 * earlier collection stopped (do_pagemap_scan() in
	 * fs/proc/task_mmu.c), so that pages would be seen twice.
	 */
	arg->start = nr == REGIONS ? regions[nr - 1].end : arg->end;
	return add_regions(list, regions, nr);
}

int pagemap_scan(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *list)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.category_inverted = SCAN_ZERO | SCAN_GUARD,
		.category_mask = SCAN_ZERO | SCAN_GUARD,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT,
	};
	int rc = 0;

	while (!rc && arg.start < arg.end)
		rc = scan_some(pagemap_fd, &arg, list);
	if (rc == -ENOTTY)
		return pagemap_read(pagemap_fd, arg.start, end, list);
	return rc;
}

static bool has_data(uint64_t entry)
{
	return (entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) &&
	       !(entry & ENTRY_GUARD);
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
