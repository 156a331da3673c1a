/* SPDX-License-Identifier: MIT */
#include "loader/pager_bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BITS  32768u
#define WORD_BITS   64u
#define CHUNK_WORDS (CHUNK_BITS / WORD_BITS)

struct chunk {
	unsigned users;
	uint64_t words[CHUNK_WORDS];
};

struct pager_bits {
	uint64_t nr_pages, nr_set;
	uint64_t nr_chunks;
	struct chunk *chunks[]; /* NULL: no member in it */
};

static void put(struct chunk *chunk)
{
	if (chunk && !--chunk->users)
		free(chunk);
}

struct pager_bits *pager_bits_new(uint64_t nr_pages)
{
	uint64_t nr = (nr_pages + CHUNK_BITS - 1) / CHUNK_BITS;
	struct pager_bits *bits =
		calloc(1, sizeof(*bits) + nr * sizeof(struct chunk *));

	if (!bits)
		return NULL;
	bits->nr_pages = nr_pages;
	bits->nr_chunks = nr;
	return bits;
}

struct pager_bits *pager_bits_copy(const struct pager_bits *bits)
{
	struct pager_bits *copy = pager_bits_new(bits->nr_pages);

	if (!copy)
		return NULL;
	copy->nr_set = bits->nr_set;
	for (uint64_t i = 0; i < bits->nr_chunks; i++) {
		copy->chunks[i] = bits->chunks[i];
		if (copy->chunks[i])
			copy->chunks[i]->users++;
	}
	return copy;
}

void pager_bits_free(struct pager_bits *bits)
{
	if (!bits)
		return;
	for (uint64_t i = 0; i < bits->nr_chunks; i++)
		put(bits->chunks[i]);
	free(bits);
}

/* The chunk at *@slot as ours alone, made when there is none. */
static struct chunk *own(struct chunk **slot)
{
	struct chunk *chunk;

	if (*slot && (*slot)->users == 1)
		return *slot;
	chunk = *slot ? malloc(sizeof(*chunk)) : calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	if (*slot) {
		memcpy(chunk, *slot, sizeof(*chunk));
		put(*slot);
	}
	chunk->users = 1;
	*slot = chunk;
	return chunk;
}

/* The bits of word @word that lie in [@first, @end). */
static uint64_t mask_of(uint64_t word, uint64_t first, uint64_t end)
{
	uint64_t start = word * WORD_BITS;
	uint64_t mask = ~0ull;

	if (first > start)
		mask &= ~0ull << (first - start);
	if (end < start + WORD_BITS)
		mask &= ~(~0ull << (end - start));
	return mask;
}

static bool any(const struct chunk *chunk, uint64_t first, uint64_t end)
{
	for (uint64_t w = first / WORD_BITS; w * WORD_BITS < end; w++)
		if (chunk->words[w] & mask_of(w, first, end))
			return true;
	return false;
}

/* Change [@first, @end) of one chunk; returns by how much its count grew. */
static int64_t change(struct chunk *chunk, uint64_t first, uint64_t end,
		      bool value)
{
	int64_t grown = 0;

	for (uint64_t w = first / WORD_BITS; w * WORD_BITS < end; w++) {
		uint64_t mask = mask_of(w, first, end);
		uint64_t old = chunk->words[w];

		chunk->words[w] = value ? old | mask : old & ~mask;
		grown += __builtin_popcountll(chunk->words[w]) -
			 __builtin_popcountll(old);
	}
	return grown;
}

static int change_range(struct pager_bits *bits, uint64_t first, uint64_t end,
			bool value)
{
	if (end > bits->nr_pages)
		end = bits->nr_pages;
	while (first < end) {
		uint64_t i = first / CHUNK_BITS, base = i * CHUNK_BITS;
		uint64_t stop =
			end - base < CHUNK_BITS ? end - base : CHUNK_BITS;
		struct chunk *chunk = bits->chunks[i];

		if (value || (chunk && any(chunk, first - base, stop))) {
			chunk = own(&bits->chunks[i]);
			if (!chunk)
				return -ENOMEM;
			bits->nr_set += (uint64_t)change(chunk, first - base,
							 stop, value);
		}
		first = base + stop;
	}
	return 0;
}

int pager_bits_set(struct pager_bits *bits, uint64_t first, uint64_t end)
{
	return change_range(bits, first, end, true);
}

int pager_bits_clear(struct pager_bits *bits, uint64_t first, uint64_t end)
{
	return change_range(bits, first, end, false);
}

bool pager_bits_has(const struct pager_bits *bits, uint64_t page)
{
	const struct chunk *chunk;

	if (page >= bits->nr_pages)
		return false;
	chunk = bits->chunks[page / CHUNK_BITS];
	page %= CHUNK_BITS;
	return chunk &&
	       (chunk->words[page / WORD_BITS] >> page % WORD_BITS & 1);
}

uint64_t pager_bits_next(const struct pager_bits *bits, uint64_t page)
{
	while (page < bits->nr_pages) {
		const struct chunk *chunk = bits->chunks[page / CHUNK_BITS];
		uint64_t left;

		if (!chunk) {
			page = (page / CHUNK_BITS + 1) * CHUNK_BITS;
			continue;
		}
		left = chunk->words[page % CHUNK_BITS / WORD_BITS] >>
		       page % WORD_BITS;
		if (left)
			return page + (uint64_t)__builtin_ctzll(left);
		page = (page / WORD_BITS + 1) * WORD_BITS;
	}
	return UINT64_MAX;
}

uint64_t pager_bits_count(const struct pager_bits *bits)
{
	return bits->nr_set;
}
