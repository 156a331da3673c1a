/* SPDX-License-Identifier: MIT */
/*
 * childnotes.h - what loaders tell a mount of their children
 *
 * Above: fs/ops.c (IOCTL), fs/profile.c.  Threads: any; a lock of its own, and
 * the fetch's inside.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "common/childnote.h"
#include "rdmafetch/fetch.h"

struct childnotes {
	pthread_mutex_t lock;
	uint64_t nr_loads;
	struct childnote_load last;
};

void childnotes_init(struct childnotes *notes);

/*
 * Take a note: @command with the @len bytes at @in.  0, -ENOTTY for another
 * command, or -EINVAL.
 */
int childnotes_take(struct childnotes *notes, struct fetch *fetch,
		    unsigned command, const void *in, size_t len);

/* How many loads were told of; *@ret_last is the last one's. */
uint64_t childnotes_loads(struct childnotes *notes,
			  struct childnote_load *ret_last);
