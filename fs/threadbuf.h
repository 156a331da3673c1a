/* SPDX-License-Identifier: MIT */
/*
 * threadbuf.h - memory that a thread's answers land in, one piece a thread
 *
 * It is made known to the fetch once (fetch_prepare_buffer()), and ends with its
 * thread, or with the mount, whichever is first.
 *
 * Above: fs/ops.c, fs/session.c.  Threads: any.
 */
#pragma once

#include <stddef.h>

struct fetch;

/*
 * At least @len_bytes for the calling thread, page-aligned, good until its next
 * call.  NULL without memory.
 */
void *threadbuf_get(struct fetch *fetch, size_t len_bytes);

/* All threads' memory goes, before the fetch does; none uses it any more. */
void threadbuf_end(void);
