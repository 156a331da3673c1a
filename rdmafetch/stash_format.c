/* SPDX-License-Identifier: MIT */
#include "rdmafetch/stash_format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "common/descid.h"
#include "common/page.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 only");

#define MAGIC	  "MTFSTASH"
#define TRANSIENT (1u << 0)
#define CHUNK	  (STASH_CHUNK_PAGES * PAGE_BYTES)

/* As it lies in the file. */
struct layout {
	char magic[8];
	uint32_t version, page_bytes;
	uint8_t id[STASH_ID_BYTES];
	uint64_t desc_bytes, nr_pages, index_at, data_at, captured_ns;
	uint64_t granted_bytes;
	uint32_t flags, reserved;
	uint64_t sum; /* of all before */
};

_Static_assert(sizeof(struct layout) == STASH_HEAD_BYTES, "no padding");

static uint64_t layout_sum(const struct layout *layout)
{
	return XXH3_64bits(layout, offsetof(struct layout, sum));
}

void stash_head_of(const void *desc, size_t desc_bytes, uint64_t nr_pages,
		   struct stash_head *ret_head)
{
	*ret_head = (struct stash_head){
		.desc_bytes = desc_bytes,
		.nr_pages = nr_pages,
	};
	descid_of(desc, desc_bytes, ret_head->id);
}

void stash_head_put(uint8_t out[STASH_HEAD_BYTES],
		    const struct stash_head *head)
{
	struct layout layout = {
		.magic = MAGIC,
		.version = STASH_VERSION,
		.page_bytes = PAGE_BYTES,
		.desc_bytes = head->desc_bytes,
		.nr_pages = head->nr_pages,
		.index_at = STASH_INDEX_AT,
		.data_at = stash_data_at(head->nr_pages, 0),
		.captured_ns = head->captured_ns,
		.granted_bytes = head->granted_bytes,
		.flags = head->is_transient ? TRANSIENT : 0,
	};

	memcpy(layout.id, head->id, sizeof(layout.id));
	layout.sum = layout_sum(&layout);
	memcpy(out, &layout, sizeof(layout));
}

int stash_head_get(const uint8_t *in, size_t len, struct stash_head *ret_head)
{
	struct layout layout;

	if (len < sizeof(layout))
		return -EPROTO;
	memcpy(&layout, in, sizeof(layout));
	if (memcmp(layout.magic, MAGIC, sizeof(layout.magic)) != 0 ||
	    layout.version != STASH_VERSION ||
	    layout.sum != layout_sum(&layout) ||
	    layout.page_bytes != PAGE_BYTES || layout.reserved ||
	    layout.flags & ~TRANSIENT || layout.nr_pages > STASH_PAGES_MAX ||
	    layout.index_at != STASH_INDEX_AT ||
	    layout.data_at != stash_data_at(layout.nr_pages, 0))
		return -EPROTO;
	*ret_head = (struct stash_head){
		.desc_bytes = layout.desc_bytes,
		.nr_pages = layout.nr_pages,
		.captured_ns = layout.captured_ns,
		.granted_bytes = layout.granted_bytes,
		.is_transient = layout.flags & TRANSIENT,
	};
	memcpy(ret_head->id, layout.id, sizeof(layout.id));
	return 0;
}

bool stash_head_same(const struct stash_head *a, const struct stash_head *b)
{
	return !memcmp(a->id, b->id, sizeof(a->id)) &&
	       a->desc_bytes == b->desc_bytes && a->nr_pages == b->nr_pages &&
	       a->captured_ns == b->captured_ns;
}

void stash_name(const struct stash_head *head, char ret_name[STASH_NAME_BYTES])
{
	for (unsigned i = 0; i < STASH_ID_BYTES; i++)
		(void)snprintf(ret_name + 2ul * i, 3, "%02x", head->id[i]);
	memcpy(ret_name + 2ul * STASH_ID_BYTES, ".stash", sizeof(".stash"));
}

bool stash_name_ok(const char *name)
{
	return strspn(name, "0123456789abcdef") == 2ul * STASH_ID_BYTES &&
	       !strcmp(name + 2ul * STASH_ID_BYTES, ".stash");
}

uint64_t stash_entry_at(uint64_t rank)
{
	return STASH_INDEX_AT + rank * STASH_ENTRY_BYTES;
}

uint64_t stash_used_at(uint64_t nr_pages)
{
	return stash_entry_at(nr_pages);
}

uint64_t stash_used_bytes(uint64_t nr_pages)
{
	return (nr_pages + 8 * STASH_CHUNK_PAGES - 1) / (8 * STASH_CHUNK_PAGES);
}

uint64_t stash_data_at(uint64_t nr_pages, uint64_t rank)
{
	uint64_t end = stash_used_at(nr_pages) + stash_used_bytes(nr_pages);

	return (end + CHUNK - 1) / CHUNK * CHUNK + rank * PAGE_BYTES;
}

uint64_t stash_empty_bytes(uint64_t nr_pages)
{
	return page_ceil(stash_used_at(nr_pages) + stash_used_bytes(nr_pages));
}

uint64_t stash_sum(const struct stash_head *head, uint64_t rank,
		   const void *page)
{
	uint64_t seed, sum;

	memcpy(&seed, head->id, sizeof(seed));
	sum = XXH3_64bits_withSeed(page, PAGE_BYTES, seed + rank);
	return sum ? sum : 1;
}
