/* SPDX-License-Identifier: MIT */
/*
 * page.h - the page, the unit of everything here
 */
#pragma once

#include <stdint.h>

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
