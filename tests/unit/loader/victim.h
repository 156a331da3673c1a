/* SPDX-License-Identifier: MIT */
/*
 * victim.h - what programs that are converted in place share
 *
 * A victim checks itself: it ends with 0 when every byte was right, 1 when one
 * was wrong, 77 when the machine does not let it try.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define VICTIM_IMAGE_FD	 900
#define VICTIM_NOTICE_FD 901
#define VICTIM_SKIP	 77

#define PAGE 4096ul

/* Be converted now.  Without a harness nothing happens. */
void victim_checkpoint(void);

/* Count a failure, and say it on stderr, when @right is false. */
void victim_check(bool right, const char *what);
int victim_failures(void);

/* Fresh private anonymous memory of @pages pages filled with @byte. */
unsigned char *victim_pages(size_t pages, unsigned char byte);

/* True when all @len bytes at @p are @byte. */
bool victim_is(const void *p, size_t len, unsigned char byte);

struct victim {
	const char *name;
	int (*run)(void);
};

/* Each family's list ends with a NULL name. */
extern const struct victim victims_drop[];
extern const struct victim victims_remap[];
extern const struct victim victims_alloc[];
extern const struct victim victims_many[];
