/* SPDX-License-Identifier: MIT */
/*
 * pager.h - fill anonymous memory from the image on demand (--memory=own)
 *
 * The child's anonymous areas are anonymous VMAs registered with userfaultfd;
 * the pager reads the image's file and copies pages in, in batches.  It follows
 * what the child does to its memory (REMOVE, UNMAP, REMAP, FORK events), so a
 * page that was dropped before it was ever touched comes back zero.
 *
 * Events come before faults: UFFDIO_COPY answers -EAGAIN while one is unread.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

struct pager;

/* Where the bytes of an area are: @fd at file offset raddr - shift_bytes. */
struct pager_area {
	uint64_t start, end; /* virtual addresses in the image */
	int fd;
	uint64_t shift_bytes;
};

struct pager_options {
	const struct image *image; /* runs say what is present; borrowed */
	const struct pager_area *areas; /* by address; copied, fds borrowed */
	unsigned nr_areas;
	unsigned batch_pages; /* of one fault, aligned; 16 */
};

struct pager_stats {
	uint64_t faults, copied_pages, zero_pages, events, forks;
};

/*
 * In the child, before it becomes the image: a userfaultfd of its memory with
 * all events enabled, O_CLOEXEC | O_NONBLOCK.  The plan registers its areas with
 * it (UFFDIO_REGISTER_MODE_MISSING).  Returns the descriptor or -errno.
 */
int pager_userfaultfd(void);

/* In the supervisor: on success the pager owns @uffd.  0 or -errno. */
int pager_open(int uffd, const struct pager_options *options,
	       struct pager **ret);

/* Readable when pager_serve() has work. */
int pager_fd(const struct pager *pager);

/* Serve all that is pending.  0, or -errno when a page could not be had: the
 * child must then be killed, for it would read zeros. */
int pager_serve(struct pager *pager);

void pager_get_stats(const struct pager *pager, struct pager_stats *ret_stats);
void pager_close(struct pager *pager);
