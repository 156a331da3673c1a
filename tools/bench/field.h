/* SPDX-License-Identifier: MIT */
/*
 * field.h - pages of a file that nobody has touched yet, and touching them
 *
 * Each batch takes the next pages of the file.  At its end all are dropped from
 * the page cache and it begins anew, so there is always something cold.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/hist.h"

#define FIELD_THREADS_MAX 2u

struct field {
	int fd;		  /* keeps the file in use */
	const char *path; /* borrowed */
	uint64_t offset;  /* of the pages in the file */
	uint64_t nr_pages, next_page;
};

/* What a batch does. */
struct field_touch {
	unsigned pages;	  /* of one request to the file system */
	bool writes;	  /* to a private map */
	unsigned threads; /* at once; several have a CPU each, from 0 on */
};

/* Open @path for batches in the @nr_pages at @offset.  0 or -errno. */
int field_open(const char *path, uint64_t offset, uint64_t nr_pages,
	       struct field *ret);

/*
 * Touch @nr times, once a request, and add how long each took, in ns, to @hist.
 * Root: it sets how much is read around a fault.  0 or -errno.
 */
int field_touch(struct field *field, const struct field_touch *touch,
		unsigned nr, struct hist *hist);

void field_close(struct field *field);
