/* SPDX-License-Identifier: MIT */
/*
 * pager_mm.h - one address space: its userfaultfd and what its pages are
 *
 * The child has one, each process it forks another (UFFD_EVENT_FORK).  Serving
 * is one attempt: the kernel refuses it (EAGAIN) while the process is changing
 * its memory, and the caller tries again when the event has been read.
 *
 * Above: pager.  Below: pager_space.  One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <linux/userfaultfd.h>

#include "loader/pager.h"
#include "loader/pager_space.h"

/* What all address spaces of a pager share. */
struct pager_source {
	struct pager_options options; /* areas owned */
	struct pager_stats stats;
	unsigned char *buffer; /* of one batch */
	unsigned char *zeros;  /* as long, never written */
};

#define PAGER_MM_STREAMS 8

struct pager_mm {
	int uffd;
	struct pager_space *space;
	struct pager_source *source;
	bool is_gone; /* the process has ended or become another program */
	/* Where the last fills of holes ended: a write there is one of many. */
	uint64_t stream_ends[PAGER_MM_STREAMS];
	unsigned stream;
};

/* Own @uffd and @space; NULL: no memory, and they stay the caller's. */
struct pager_mm *pager_mm_new(struct pager_source *source, int uffd,
			      struct pager_space *space);
void pager_mm_free(struct pager_mm *mm);

/*
 * Have the page at @addr present and whoever waits for it go on.  @writes: they
 * want to write to it.  0, -EAGAIN, or -errno when it could not be had.
 */
int pager_mm_serve(struct pager_mm *mm, uint64_t addr, bool writes);

/* Take note of an event other than a fault or a fork.  0 or -ENOMEM. */
int pager_mm_apply(struct pager_mm *mm, const struct uffd_msg *msg);

/* Sets is_gone when no process has this address space any more. */
void pager_mm_probe(struct pager_mm *mm);
