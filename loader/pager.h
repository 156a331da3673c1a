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
 * Facts: Documentation/admin-guide/mm/userfaultfd.rst, ioctl_userfaultfd(2).
 *
 * Below: pager_space (what each page must come from), pager_mm (one address
 * space and its descriptor).  docs/memory.md has the costs.
 *
 * Threads: one.  The pager must live as long as pages are missing: when its
 * descriptors close, missing pages read as zeros, so its death must end the
 * child.  It is not told when a process ends.
 */
#pragma once

#include <stdbool.h>
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
	const struct image *image;	/* runs say what is present; borrowed */
	const struct pager_area *areas; /* by address; copied, fds borrowed */
	unsigned nr_areas;
	unsigned batch_pages; /* of one fault, aligned; 0: 16; at most 512 */
};

struct pager_stats {
	uint64_t faults;
	uint64_t copied_pages; /* read from the image, pushed ones included */
	uint64_t zero_pages;
	uint64_t pushed_pages; /* by pager_push() */
	uint64_t events;       /* of the child's changes to its memory */
	uint64_t forks;	       /* of them, new address spaces */
	uint64_t retries;      /* answered again after an event */
	uint64_t given_back;   /* areas complete, and the kernel's alone now */
};

/*
 * In the child, before it becomes the image: a userfaultfd of its memory with
 * all events enabled, O_CLOEXEC | O_NONBLOCK.  The plan registers its areas
 * with it (UFFDIO_REGISTER_MODE_MISSING), whole: a map of which a part is
 * registered cannot be resized as one.
 *
 * Returns the descriptor or -errno: -EPERM without CAP_SYS_PTRACE, which the
 * kernel asks of who wants to follow forks and serve the kernel's own faults.
 */
int pager_userfaultfd(void);

/*
 * In the supervisor: on success the pager owns @uffd.  0, -ENOMEM, or -EINVAL
 * for areas that are empty, unaligned, overlapping or out of order.
 */
int pager_open(int uffd, const struct pager_options *options,
	       struct pager **ret);

/* Readable when pager_serve() has work. */
int pager_fd(const struct pager *pager);

/*
 * Serve all that is pending.  Blocks while the image's file is read.  0, or
 * -errno when a page could not be had: the child must then be killed, for it
 * would read zeros.
 */
int pager_serve(struct pager *pager);

/*
 * When there is nothing to serve: copy in the next batch that is missing in the
 * child itself (forks have what it had, and ask for the rest).  *@ret_more is
 * false when all is there; an area that is complete costs nothing any more.
 * As pager_serve() otherwise.
 */
int pager_push(struct pager *pager, bool *ret_more);

/*
 * The child has ended; what it left running, if anything, goes on without a
 * pager: copy in all that it still misses.  Blocks while that is read.  0, or
 * -errno when a page could not be had: what is missing then will read as zeros.
 */
int pager_let_go(struct pager *pager);

/*
 * The same a batch at a time, for who has others to serve in between; *@ret_more
 * is false when nothing is missing any more.
 */
int pager_let_go_some(struct pager *pager, bool *ret_more);

void pager_get_stats(const struct pager *pager, struct pager_stats *ret_stats);
void pager_close(struct pager *pager);
