/* SPDX-License-Identifier: MIT */
/*
 * bulk.h - a plain socket copy: what a link of loopback carries at best
 */
#pragma once

#include <stdint.h>

#include "tools/bench/stats.h"

struct bulk {
	uint64_t bytes;
	uint32_t delay_us; /* of the link, each way */
	int keep_fd; /* a file to keep them in, from its start; -1: none */
};

/*
 * Send so many bytes of memory, all pages of it touched before, through a TCP
 * connection of loopback, to a reader that writes them to a file or has one
 * buffer for all, over and over.  *@took_ns: from the connection to the last
 * byte, one sample more.  Blocks.  Says its errors and returns -errno.
 */
int bulk_copy(const struct bulk *bulk, struct stats *took_ns);

/* bulk_copy() to a file of the page cache, and to one buffer. */
int bulk_copy_both(uint64_t bytes, uint32_t delay_us, struct stats *to_file_ns,
		   struct stats *to_buffer_ns);
