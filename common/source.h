/* SPDX-License-Identifier: MIT */
/*
 * source.h - where the bytes of an image come from, as one call
 *
 * Implemented by parent/pages.c (a live snapshot) and by the tests (an array);
 * read by rdmafetch/local.c and by the serving end of every transport.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

/* What an address means.  The numbers are on the wire. */
enum source_object {
	SOURCE_MEMORY = 0, /* raddr: a virtual address of the parent */
	SOURCE_EXE = 1,    /* raddr: an offset in the parent's executable */
	/* And all up to SOURCE_END: an offset in the image's mapped file. */
	SOURCE_MAPPED = 2,
	SOURCE_END = SOURCE_MAPPED + IMAGE_MAPPED_MAX,
};

/* Which objects are read at any offset and length, not in pages. */
static inline bool source_is_file(uint32_t object)
{
	return object >= SOURCE_EXE && object < SOURCE_END;
}

struct page_source {
	/*
	 * Copy @len_bytes from @raddr of @object into @buf.
	 *
	 * Blocks for local memory only; safe from any thread.  What the image
	 * has not (a hole, the tail past the executable's end) reads as zeros.
	 *
	 * Returns 0, or
	 *   -EINVAL  no such object, or the range wraps
	 *   -EACCES  the user of the image may not read that file
	 *   -EREMCHG the file is another one than at the capture, by its size
	 *            or the time of its last change
	 *   -ESTALE  the snapshot is gone
	 *   -EIO     the kernel refused a page that the image should have
	 */
	int (*read)(struct page_source *source, uint32_t object, uint64_t raddr,
		    void *buf, size_t len_bytes);
};
