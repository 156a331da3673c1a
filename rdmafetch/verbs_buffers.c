/* SPDX-License-Identifier: MIT */
/*
 * verbs_buffers.c - a sorted array of regions, and a bitmap
 */
#include "rdmafetch/verbs_buffers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "common/page.h"

#define POOL_BYTES (VERBS_BOUNCE_PAGES * PAGE_BYTES)

/* ---- known buffers ---- */

/* The first that ends after @at. */
static unsigned place(const struct verbs_buffers *buffers, const char *at)
{
	unsigned lo = 0, hi = buffers->nr;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		const struct ibv_mr *mr = buffers->known[mid];

		if ((const char *)mr->addr + mr->length <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int verbs_buffers_add(struct verbs_buffers *buffers, struct ibv_mr *mr)
{
	unsigned at = place(buffers, mr->addr);

	if (at < buffers->nr && buffers->known[at]->addr == mr->addr)
		return -EEXIST;
	if (buffers->nr == VERBS_BUFFERS_MAX)
		return -ENOSPC;
	memmove(&buffers->known[at + 1], &buffers->known[at],
		(buffers->nr - at) * sizeof(buffers->known[0]));
	buffers->known[at] = mr;
	buffers->nr++;
	return 0;
}

struct ibv_mr *verbs_buffers_del(struct verbs_buffers *buffers, const void *buf)
{
	unsigned at = place(buffers, buf);
	struct ibv_mr *mr;

	if (at == buffers->nr || buffers->known[at]->addr != buf)
		return NULL;
	mr = buffers->known[at];
	buffers->nr--;
	memmove(&buffers->known[at], &buffers->known[at + 1],
		(buffers->nr - at) * sizeof(buffers->known[0]));
	return mr;
}

bool verbs_buffers_find(const struct verbs_buffers *buffers, const void *buf,
			size_t len_bytes, uint32_t *ret_lkey)
{
	const char *from = buf;
	unsigned at = place(buffers, from);
	const struct ibv_mr *mr;

	if (at == buffers->nr)
		return false;
	mr = buffers->known[at];
	if ((const char *)mr->addr > from ||
	    from + len_bytes > (const char *)mr->addr + mr->length)
		return false;
	*ret_lkey = mr->lkey;
	return true;
}

/* ---- the pool ---- */

static bool is_used(const struct verbs_buffers *buffers, unsigned page)
{
	return buffers->used[page / 64] >> page % 64 & 1;
}

static void flip(struct verbs_buffers *buffers, unsigned page, unsigned nr)
{
	for (; nr; page++, nr--)
		buffers->used[page / 64] ^= 1ull << page % 64;
}

/* The first @nr free pages in a row at or behind @from, or the pool's end. */
static unsigned find_free(const struct verbs_buffers *buffers, unsigned from,
			  unsigned nr)
{
	unsigned run = 0;

	for (unsigned page = from; page < VERBS_BOUNCE_PAGES; page++) {
		run = is_used(buffers, page) ? 0 : run + 1;
		if (run == nr)
			return page + 1 - nr;
	}
	return VERBS_BOUNCE_PAGES;
}

char *verbs_buffers_borrow(struct verbs_buffers *buffers, size_t len_bytes)
{
	unsigned nr = (unsigned)(page_ceil(len_bytes) >> PAGE_SHIFT);
	unsigned page = find_free(buffers, buffers->next, nr);

	if (page == VERBS_BOUNCE_PAGES)
		page = find_free(buffers, 0, nr);
	if (page == VERBS_BOUNCE_PAGES)
		return NULL;
	flip(buffers, page, nr);
	buffers->next = page + nr;
	return buffers->pool_at + (size_t)page * PAGE_BYTES;
}

void verbs_buffers_give_back(struct verbs_buffers *buffers, const char *at,
			     size_t len_bytes)
{
	flip(buffers, (unsigned)((size_t)(at - buffers->pool_at) >> PAGE_SHIFT),
	     (unsigned)(page_ceil(len_bytes) >> PAGE_SHIFT));
}

/* ---- life ---- */

int verbs_buffers_init(struct verbs_buffers *buffers, struct ibv_pd *pd)
{
	char *at = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (at == MAP_FAILED)
		return -errno;
	buffers->pool_at = at;
	buffers->pool = ibv_reg_mr(pd, at, POOL_BYTES, IBV_ACCESS_LOCAL_WRITE);
	if (buffers->pool)
		return 0;
	err = -errno;
	verbs_buffers_done(buffers);
	return err;
}

void verbs_buffers_done(struct verbs_buffers *buffers)
{
	while (buffers->nr)
		(void)ibv_dereg_mr(buffers->known[--buffers->nr]);
	if (buffers->pool)
		(void)ibv_dereg_mr(buffers->pool);
	if (buffers->pool_at)
		(void)munmap(buffers->pool_at, POOL_BYTES);
	buffers->pool = NULL;
	buffers->pool_at = NULL;
}
