/* SPDX-License-Identifier: MIT */
#include "common/workset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/page.h"

#define INHERITED (1u << 16)		     /* beside the length of a record */
#define PAGES_END (UINT64_MAX >> PAGE_SHIFT) /* no page is at or past it */
#define ROOM_MIN  64u

_Static_assert(WORKSET_IMAGE_BYTES + WORKSET_HEAD +
			       WORKSET_PART_MAX * WORKSET_RUN_BYTES <=
		       WIRE_REQUEST_MAX,
	       "a part fits a request");

static int grow(struct workset *set)
{
	uint32_t room = set->room ? 2 * set->room : ROOM_MIN;
	void *more = reallocarray(set->runs, room, sizeof(*set->runs));

	if (!more)
		return -ENOMEM;
	set->runs = more;
	set->room = room;
	return 0;
}

int workset_add(struct workset *set, uint64_t first_page, uint32_t nr_pages)
{
	struct workset_run *last = set->nr ? &set->runs[set->nr - 1] : NULL;

	if (last && last->first_page + last->nr_pages == first_page &&
	    last->nr_pages <= UINT32_MAX - nr_pages) {
		last->nr_pages += nr_pages;
		return 0;
	}
	if (set->nr == WORKSET_RUNS_MAX)
		return -ENOSPC;
	if (set->nr == set->room && grow(set))
		return -ENOMEM;
	set->runs[set->nr++] = (struct workset_run){first_page, nr_pages};
	return 0;
}

int workset_copy(const struct workset *from, struct workset *ret)
{
	struct workset copy = {.nr = from->nr, .room = from->nr};

	if (from->nr) {
		copy.runs = calloc(from->nr, sizeof(*copy.runs));
		if (!copy.runs)
			return -ENOMEM;
		memcpy(copy.runs, from->runs, from->nr * sizeof(*copy.runs));
	}
	*ret = copy;
	return 0;
}

uint64_t workset_pages(const struct workset *set)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < set->nr; i++)
		pages += set->runs[i].nr_pages;
	return pages;
}

void workset_cut(struct workset *set, uint32_t nr_max)
{
	struct workset_run *runs;

	if (set->nr > nr_max)
		set->nr = nr_max;
	if (!set->nr || set->room == set->nr)
		return;
	runs = realloc(set->runs, set->nr * sizeof(*runs));
	if (!runs)
		return;
	set->runs = runs;
	set->room = set->nr;
}

void workset_done(struct workset *set)
{
	free(set->runs);
	*set = (struct workset){0};
}

/* ---- the wire ---- */

/* As they lie in memory, which is the wire's order on x86-64. */
static void put_u32(uint8_t *out, uint32_t value)
{
	memcpy(out, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return value;
}

static void put_run(uint8_t *out, const struct workset_run *run)
{
	memcpy(out, &run->first_page, 8);
	put_u32(out + 8, run->nr_pages);
	put_u32(out + 12, 0);
}

static int get_run(const uint8_t *in, struct workset_run *ret)
{
	struct workset_run run = {.nr_pages = get_u32(in + 8)};

	memcpy(&run.first_page, in, 8);
	if (!run.nr_pages || get_u32(in + 12) || run.first_page >= PAGES_END ||
	    run.nr_pages > PAGES_END - run.first_page)
		return -EPROTO;
	*ret = run;
	return 0;
}

size_t workset_put_part(uint8_t *out, const struct workset_part *part)
{
	uint8_t *at = out + wire_put_image(out, &part->image);

	put_u32(at, part->from);
	put_u32(at + 4, part->nr);
	at += WORKSET_HEAD;
	for (uint32_t i = 0; i < part->nr; i++, at += WORKSET_RUN_BYTES)
		put_run(at, &part->runs[i]);
	return (size_t)(at - out);
}

int workset_get_part(const uint8_t *in, size_t len, struct workset_part *ret)
{
	struct workset_part part = {0};

	if (len < WORKSET_IMAGE_BYTES + WORKSET_HEAD ||
	    wire_get_image(in, WORKSET_IMAGE_BYTES, &part.image))
		return -EPROTO;
	in += WORKSET_IMAGE_BYTES;
	len -= WORKSET_IMAGE_BYTES + WORKSET_HEAD;
	part.from = get_u32(in);
	part.nr = get_u32(in + 4);
	in += WORKSET_HEAD;
	if (!part.nr || part.nr > WORKSET_PART_MAX ||
	    part.from >= WORKSET_RUNS_MAX ||
	    len != (size_t)part.nr * WORKSET_RUN_BYTES)
		return -EPROTO;
	for (uint32_t i = 0; i < part.nr; i++, in += WORKSET_RUN_BYTES)
		if (get_run(in, &part.runs[i]))
			return -EPROTO;
	*ret = part;
	return 0;
}

size_t workset_bytes(const struct workset *set)
{
	return WORKSET_HEAD + (size_t)set->nr * WORKSET_RUN_BYTES;
}

void workset_put(uint8_t *out, const struct workset *set)
{
	put_u32(out, set->nr);
	put_u32(out + 4,
		WORKSET_RUN_BYTES | (set->is_inherited ? INHERITED : 0));
	out += WORKSET_HEAD;
	for (uint32_t i = 0; i < set->nr; i++, out += WORKSET_RUN_BYTES)
		put_run(out, &set->runs[i]);
}

int workset_get(const uint8_t *in, size_t len, struct workset *ret)
{
	struct workset set = {0};

	if (len < WORKSET_HEAD ||
	    (get_u32(in + 4) & ~INHERITED) != WORKSET_RUN_BYTES)
		return -EPROTO;
	set.is_inherited = get_u32(in + 4) & INHERITED;
	set.nr = set.room = get_u32(in);
	if (set.nr > WORKSET_RUNS_MAX || len != workset_bytes(&set))
		return -EPROTO;
	if (set.nr) {
		set.runs = calloc(set.nr, sizeof(*set.runs));
		if (!set.runs)
			return -ENOMEM;
	}
	in += WORKSET_HEAD;
	for (uint32_t i = 0; i < set.nr; i++, in += WORKSET_RUN_BYTES) {
		if (get_run(in, &set.runs[i])) {
			workset_done(&set);
			return -EPROTO;
		}
	}
	*ret = set;
	return 0;
}
