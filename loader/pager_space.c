/* SPDX-License-Identifier: MIT */
#include "loader/pager_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/page.h"
#include "loader/pager_bits.h"

struct segment {
	uint64_t start, end; /* now */
	uint64_t raddr;	     /* of @start in the image */
	unsigned area;
};

struct pager_space {
	const struct pager_options *options;
	struct segment *segments; /* by start, disjoint */
	unsigned nr, max;
	unsigned cursor;	   /* pager_space_next(): a segment ... */
	uint64_t cursor_raddr;	   /* ... and how far in it */
	struct pager_bits *bits[]; /* by area, of pages from its start */
};

static struct pager_space *allocate(const struct pager_options *options)
{
	struct pager_space *space = calloc(
		1, sizeof(*space) + options->nr_areas * sizeof(space->bits[0]));

	if (space)
		space->options = options;
	return space;
}

void pager_space_free(struct pager_space *space)
{
	if (!space)
		return;
	for (unsigned i = 0; i < space->options->nr_areas; i++)
		pager_bits_free(space->bits[i]);
	free(space->segments);
	free(space);
}

static int make_room(struct pager_space *space, unsigned more)
{
	unsigned max = space->max ? space->max : 16;
	void *bigger;

	if (space->nr + more <= space->max)
		return 0;
	while (max < space->nr + more)
		max *= 2;
	bigger = realloc(space->segments, max * sizeof(*space->segments));
	if (!bigger)
		return -ENOMEM;
	space->segments = bigger;
	space->max = max;
	return 0;
}

/* The first segment that ends after @addr, or the number of segments. */
static unsigned after(const struct pager_space *space, uint64_t addr)
{
	unsigned low = 0, high = space->nr;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (space->segments[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Room must have been made. */
static void insert(struct pager_space *space, unsigned at,
		   const struct segment *segment)
{
	memmove(space->segments + at + 1, space->segments + at,
		(space->nr - at) * sizeof(*space->segments));
	space->segments[at] = *segment;
	space->nr++;
}

static void erase(struct pager_space *space, unsigned first, unsigned end)
{
	memmove(space->segments + first, space->segments + end,
		(space->nr - end) * sizeof(*space->segments));
	space->nr -= end - first;
}

static uint64_t bit_of(const struct pager_space *space,
		       const struct segment *segment, uint64_t addr)
{
	uint64_t raddr = segment->raddr + (addr - segment->start);

	return page_of(raddr - space->options->areas[segment->area].start);
}

/* What of the image's runs lies in the area is still to be read. */
static int set_runs(struct pager_space *space, unsigned area)
{
	const struct image *image = space->options->image;
	const struct pager_area *a = &space->options->areas[area];
	uint64_t first = page_of(a->start), end = page_of(a->end);
	const struct image_run *run = image_run_after(image, first);
	const struct image_run *stop = image->runs + image->nr_runs;

	for (; run && run < stop && run->first_page < end; run++) {
		uint64_t from =
			run->first_page > first ? run->first_page : first;
		int r = pager_bits_set(space->bits[area], from - first,
				       run->first_page + run->nr_pages - first);

		if (r)
			return r;
	}
	return 0;
}

static int add_area(struct pager_space *space, unsigned i)
{
	const struct pager_area *area = &space->options->areas[i];

	if (area->start >= area->end ||
	    page_floor(area->start) != area->start ||
	    page_floor(area->end) != area->end ||
	    (i && area->start < area[-1].end))
		return -EINVAL;
	space->bits[i] = pager_bits_new(page_of(area->end - area->start));
	if (!space->bits[i])
		return -ENOMEM;
	space->segments[space->nr++] = (struct segment){
		.start = area->start,
		.end = area->end,
		.raddr = area->start,
		.area = i,
	};
	return set_runs(space, i);
}

int pager_space_new(const struct pager_options *options,
		    struct pager_space **ret)
{
	struct pager_space *space = allocate(options);
	int r;

	if (!space)
		return -ENOMEM;
	r = make_room(space, options->nr_areas);
	for (unsigned i = 0; !r && i < options->nr_areas; i++)
		r = add_area(space, i);
	if (r) {
		pager_space_free(space);
		return r;
	}
	*ret = space;
	return 0;
}

struct pager_space *pager_space_copy(const struct pager_space *space)
{
	struct pager_space *copy = allocate(space->options);
	bool failed;

	if (!copy)
		return NULL;
	failed = make_room(copy, space->nr);
	for (unsigned i = 0; !failed && i < space->options->nr_areas; i++) {
		copy->bits[i] = pager_bits_copy(space->bits[i]);
		failed = !copy->bits[i];
	}
	if (failed) {
		pager_space_free(copy);
		return NULL;
	}
	if (space->nr)
		memcpy(copy->segments, space->segments,
		       space->nr * sizeof(*space->segments));
	copy->nr = space->nr;
	return copy;
}

/*
 * The first guard region of the image in (@addr, @high), or @high: it shall
 * stay, and a page that is copied in takes its place.
 */
static uint64_t until_guard(const struct pager_space *space,
			    const struct segment *segment, uint64_t addr,
			    uint64_t high)
{
	const struct image *image = space->options->image;
	uint64_t page = page_of(segment->raddr + (addr - segment->start)) + 1;
	const struct image_run *guard = image_guard_after(image, page);
	uint64_t ahead;

	if (!guard)
		return high;
	ahead = guard->first_page > page ? guard->first_page - page : 0;
	return ahead < page_of(high - addr) ? addr + (ahead + 1) * PAGE_BYTES
					    : high;
}

/* Grow @range down and up within the segment and the image's aligned batch. */
static void widen(const struct pager_space *space,
		  const struct segment *segment, struct pager_range *range)
{
	const struct pager_bits *bits = space->bits[segment->area];
	uint64_t batch = space->options->batch_pages * PAGE_BYTES;
	uint64_t addr = range->start;
	uint64_t raddr = segment->raddr + (addr - segment->start);
	uint64_t below = raddr % batch, above = batch - below;
	uint64_t low =
		addr - segment->start > below ? addr - below : segment->start;
	uint64_t high =
		segment->end - addr > above ? addr + above : segment->end;

	high = until_guard(space, segment, addr, high);
	while (range->end < high &&
	       pager_bits_has(bits, bit_of(space, segment, range->end)) ==
		       range->from_image)
		range->end += PAGE_BYTES;
	while (range->from_image && range->start > low &&
	       pager_bits_has(
		       bits, bit_of(space, segment, range->start - PAGE_BYTES)))
		range->start -= PAGE_BYTES;
	range->raddr = segment->raddr + (range->start - segment->start);
}

void pager_space_look(const struct pager_space *space, uint64_t addr,
		      struct pager_range *ret_range)
{
	uint64_t batch = space->options->batch_pages * PAGE_BYTES;
	unsigned at = after(space, addr);
	const struct segment *segment = &space->segments[at];
	struct pager_range range = {
		.start = addr,
		.end = addr + PAGE_BYTES,
	};

	if (at < space->nr && segment->start <= addr) {
		range.is_known = true;
		range.area = segment->area;
		range.from_image = pager_bits_has(space->bits[segment->area],
						  bit_of(space, segment, addr));
		widen(space, segment, &range);
	} else {
		range.end = addr + batch - addr % batch;
		if (at < space->nr && segment->start < range.end)
			range.end = segment->start;
	}
	*ret_range = range;
}

int pager_space_drop(struct pager_space *space, uint64_t start, uint64_t end)
{
	for (unsigned i = after(space, start);
	     i < space->nr && space->segments[i].start < end; i++) {
		const struct segment *s = &space->segments[i];
		uint64_t low = s->start > start ? s->start : start;
		uint64_t high = s->end < end ? s->end : end;
		uint64_t first = bit_of(space, s, low);
		int r = pager_bits_clear(space->bits[s->area], first,
					 first + page_of(high - low));

		if (r)
			return r;
	}
	return 0;
}

/* Make @addr a border between segments.  0 or -ENOMEM. */
static int split(struct pager_space *space, uint64_t addr)
{
	unsigned at = after(space, addr);
	struct segment upper;
	int r;

	if (at == space->nr || space->segments[at].start >= addr)
		return 0;
	r = make_room(space, 1);
	if (r)
		return r;
	upper = space->segments[at];
	upper.raddr += addr - upper.start;
	upper.start = addr;
	space->segments[at].end = addr;
	insert(space, at + 1, &upper);
	return 0;
}

/* Cut at both ends; the segments inside are [*@ret_first, *@ret_end). */
static int cut(struct pager_space *space, uint64_t start, uint64_t end,
	       unsigned *ret_first, unsigned *ret_end)
{
	int r = split(space, start);

	if (!r)
		r = split(space, end);
	if (r)
		return r;
	*ret_first = *ret_end = after(space, start);
	while (*ret_end < space->nr && space->segments[*ret_end].start < end)
		++*ret_end;
	return 0;
}

int pager_space_unmap(struct pager_space *space, uint64_t start, uint64_t end)
{
	unsigned first, stop;
	int r = pager_space_drop(space, start, end);

	if (!r)
		r = cut(space, start, end, &first, &stop);
	if (!r)
		erase(space, first, stop);
	return r;
}

int pager_space_move(struct pager_space *space, uint64_t from, uint64_t to,
		     uint64_t len_bytes)
{
	struct segment *moving = NULL;
	unsigned first, stop, nr;
	int r = cut(space, from, from + len_bytes, &first, &stop);

	if (r || first == stop)
		return r;
	nr = stop - first;
	moving = malloc(nr * sizeof(*moving));
	if (!moving)
		return -ENOMEM;
	memcpy(moving, space->segments + first, nr * sizeof(*moving));
	erase(space, first, stop);
	r = pager_space_unmap(space, to, to + len_bytes);
	if (!r)
		r = make_room(space, nr);
	for (unsigned i = 0; !r && i < nr; i++) {
		moving[i].start += to - from;
		moving[i].end += to - from;
		insert(space, after(space, moving[i].start), &moving[i]);
	}
	free(moving);
	return r;
}

uint64_t pager_space_left(const struct pager_space *space, unsigned area)
{
	return pager_bits_count(space->bits[area]);
}

bool pager_space_segment(const struct pager_space *space, unsigned area,
			 unsigned *at, uint64_t *ret_start, uint64_t *ret_end)
{
	while (*at < space->nr) {
		const struct segment *s = &space->segments[(*at)++];

		if (s->area != area)
			continue;
		*ret_start = s->start;
		*ret_end = s->end;
		return true;
	}
	return false;
}

void pager_space_forget(struct pager_space *space, unsigned area)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < space->nr; i++)
		if (space->segments[i].area != area)
			space->segments[kept++] = space->segments[i];
	space->nr = kept;
}

/* The first missing page of @segment at or after @raddr, as it is now. */
static uint64_t missing(const struct pager_space *space,
			const struct segment *segment, uint64_t raddr)
{
	uint64_t base = space->options->areas[segment->area].start;
	uint64_t page, addr;

	if (raddr < segment->raddr)
		raddr = segment->raddr;
	page = pager_bits_next(space->bits[segment->area],
			       page_of(raddr - base));
	if (page == UINT64_MAX)
		return 0;
	addr = base + page * PAGE_BYTES - segment->raddr + segment->start;
	return addr < segment->end ? addr : 0;
}

uint64_t pager_space_next(struct pager_space *space)
{
	for (unsigned tried = 0; tried <= space->nr; tried++) {
		const struct segment *segment;
		uint64_t addr;

		if (space->cursor >= space->nr) {
			space->cursor = 0;
			space->cursor_raddr = 0;
		}
		if (!space->nr)
			return 0;
		segment = &space->segments[space->cursor];
		addr = missing(space, segment, space->cursor_raddr);
		if (addr) {
			space->cursor_raddr =
				segment->raddr + (addr - segment->start);
			return addr;
		}
		space->cursor++;
		space->cursor_raddr = 0;
	}
	return 0;
}
