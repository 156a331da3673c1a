/* SPDX-License-Identifier: MIT */
/*
 * page.h - the page, the unit of everything here
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* Headers older than Linux 5.14, and musl's. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_BYTES 4096ul
#define PAGE_SHIFT 12

static inline uint64_t page_floor(uint64_t bytes)
{
	return bytes & ~(PAGE_BYTES - 1);
}

static inline uint64_t page_ceil(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static inline uint64_t page_of(uint64_t raddr)
{
	return raddr >> PAGE_SHIFT;
}

/*
 * Give @len_bytes at @buf, which is about to be written, its pages in one call.
 *
 * For large new buffers: a fault for each page costs several times the copy
 * that fills it, most of all in a virtual machine.  Advice: failure (a kernel
 * before 5.14) is harmless.
 */
static inline void page_populate(void *buf, size_t len_bytes)
{
	uint64_t start = page_ceil((uintptr_t)buf);
	uint64_t end = page_floor((uintptr_t)buf + len_bytes);

	if (start < end)
		(void)madvise((void *)start, end - start,
			      MADV_POPULATE_WRITE);
}
