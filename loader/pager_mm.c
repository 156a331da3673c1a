/* SPDX-License-Identifier: MIT */
#include "loader/pager_mm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"

/* The last page of the four-level address space, where only a stack could be:
 * never registered. */
#define PROBE_ADDR 0x7fffffffe000ull

struct pager_mm *pager_mm_new(struct pager_source *source, int uffd,
			      struct pager_space *space)
{
	struct pager_mm *mm = calloc(1, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->uffd = uffd;
	mm->space = space;
	mm->source = source;
	return mm;
}

void pager_mm_free(struct pager_mm *mm)
{
	if (!mm)
		return;
	(void)close(mm->uffd);
	pager_space_free(mm->space);
	free(mm);
}

/* The page is there, or nobody asks for it any more: let the thread look. */
static void wake(const struct pager_mm *mm, uint64_t addr)
{
	struct uffdio_range range = {.start = addr, .len = PAGE_BYTES};

	(void)ioctl(mm->uffd, UFFDIO_WAKE, &range);
}

/* One ioctl.  How many bytes it did, or -errno when none. */
static int64_t copy(const struct pager_mm *mm, uint64_t start,
		    uint64_t len_bytes, const unsigned char *from)
{
	struct uffdio_copy c = {
		.dst = start,
		.src = (uintptr_t)from,
		.len = len_bytes,
	};

	if (!ioctl(mm->uffd, UFFDIO_COPY, &c))
		return (int64_t)len_bytes;
	return c.copy > 0 ? c.copy : -errno;
}

static int64_t zero(const struct pager_mm *mm, uint64_t start,
		    uint64_t len_bytes)
{
	struct uffdio_zeropage z = {.range = {start, len_bytes}};

	if (!ioctl(mm->uffd, UFFDIO_ZEROPAGE, &z))
		return (int64_t)len_bytes;
	return z.zeropage > 0 ? z.zeropage : -errno;
}

/*
 * Fill [@start, @end), from @from or (NULL) with the zero page.  What is filled
 * is written down as it happens.  0, -EAGAIN, -ENOENT when the range is not one
 * registered map, or -errno.
 */
static int fill(struct pager_mm *mm, uint64_t start, uint64_t end,
		const unsigned char *from)
{
	struct pager_stats *stats = &mm->source->stats;

	while (start < end) {
		int64_t done = from ? copy(mm, start, end - start, from)
				    : zero(mm, start, end - start);
		int r;

		if (done > 0 && from && from != mm->source->zeros)
			stats->copied_pages += page_of((uint64_t)done);
		else if (done > 0)
			stats->zero_pages += page_of((uint64_t)done);
		if (done == -EEXIST) {
			wake(mm, start);
			done = (int64_t)PAGE_BYTES;
			/* Beyond a hole's first page all may be there. */
			if (!from || from == mm->source->zeros)
				return 0;
		}
		if (done < 0)
			return (int)done;
		r = pager_space_drop(mm->space, start, start + (uint64_t)done);
		if (r)
			return r;
		start += (uint64_t)done;
		if (from && from != mm->source->zeros)
			from += done;
	}
	return 0;
}

/*
 * True when the map before @end goes on behind it: it has grown.  A page cannot
 * be "continued" in anonymous memory, and how the kernel refuses tells whether
 * it is registered: EINVAL when it is, ENOENT when not.
 */
static bool goes_on(const struct pager_mm *mm, uint64_t end)
{
	struct uffdio_continue c = {.range = {end, PAGE_BYTES}};
	struct pager_range next;

	pager_space_look(mm->space, end, &next);
	return !next.is_known && ioctl(mm->uffd, UFFDIO_CONTINUE, &c) &&
	       errno != ENOENT;
}

/*
 * All of @area's pages are in: its memory need not be ours any more.  Not a
 * part of a map, though, or the map could not be resized as one: an area that
 * was cut, moved or grown stays.
 */
static void give_back(struct pager_mm *mm, unsigned area)
{
	const struct pager_area *a = &mm->source->options.areas[area];
	struct uffdio_range range = {a->start, a->end - a->start};
	uint64_t start, end;
	unsigned at = 0;

	if (!pager_space_segment(mm->space, area, &at, &start, &end) ||
	    start != a->start || end != a->end || goes_on(mm, end))
		return;
	if (!ioctl(mm->uffd, UFFDIO_UNREGISTER, &range))
		mm->source->stats.given_back++;
	pager_space_forget(mm->space, area);
}

static int read_image(struct pager_mm *mm, const struct pager_range *range)
{
	const struct pager_area *area = &mm->source->options.areas[range->area];

	return io_pread_all(area->fd, mm->source->buffer,
			    range->end - range->start,
			    (off_t)(range->raddr - area->shift_bytes));
}

/* Where a batch crosses the end of a map: the one page that is asked for. */
static void narrow(struct pager_range *range, uint64_t addr)
{
	range->raddr += addr - range->start;
	range->start = addr;
	range->end = addr + PAGE_BYTES;
}

/*
 * The zero page costs nothing until it is written, and then more than a page of
 * its own would have.  Who writes on from where the last fill of a hole ended
 * gets real pages.
 */
static const unsigned char *
zeros_for(struct pager_mm *mm, const struct pager_range *range, bool writes)
{
	for (unsigned i = 0; i < PAGER_MM_STREAMS; i++) {
		if (mm->stream_ends[i] != range->start)
			continue;
		mm->stream_ends[i] = range->end;
		return writes ? mm->source->zeros : NULL;
	}
	mm->stream_ends[mm->stream++ % PAGER_MM_STREAMS] = range->end;
	return NULL;
}

static int serve_range(struct pager_mm *mm, uint64_t addr, bool writes,
		       struct pager_range *range)
{
	const unsigned char *from;
	int r = 0;

	if (range->from_image) {
		r = read_image(mm, range);
		from = mm->source->buffer;
	} else {
		from = zeros_for(mm, range, writes);
	}
	if (r)
		return r;
	r = fill(mm, range->start, range->end, from);
	if (r != -ENOENT || range->end - range->start == PAGE_BYTES)
		return r;
	if (range->from_image)
		from += addr - range->start;
	narrow(range, addr);
	return fill(mm, range->start, range->end, from);
}

int pager_mm_serve(struct pager_mm *mm, uint64_t addr, bool writes)
{
	struct pager_range range;
	int r;

	if (mm->is_gone)
		return 0;
	pager_space_look(mm->space, addr, &range);
	r = serve_range(mm, addr, writes, &range);
	if (r == -ESRCH) {
		mm->is_gone = true;
		return 0;
	}
	if (r == -ENOENT) { /* unmapped meanwhile, or given back */
		wake(mm, addr);
		return 0;
	}
	if (!r && range.is_known && !pager_space_left(mm->space, range.area))
		give_back(mm, range.area);
	return r;
}

int pager_mm_apply(struct pager_mm *mm, const struct uffd_msg *msg)
{
	switch (msg->event) {
	case UFFD_EVENT_REMOVE:
		return pager_space_drop(mm->space, msg->arg.remove.start,
					msg->arg.remove.end);
	case UFFD_EVENT_UNMAP:
		return pager_space_unmap(mm->space, msg->arg.remove.start,
					 msg->arg.remove.end);
	case UFFD_EVENT_REMAP:
		return pager_space_move(mm->space, msg->arg.remap.from,
					msg->arg.remap.to, msg->arg.remap.len);
	default:
		return 0;
	}
}

void pager_mm_probe(struct pager_mm *mm)
{
	struct uffdio_range range = {PROBE_ADDR, PAGE_BYTES};

	if (ioctl(mm->uffd, UFFDIO_UNREGISTER, &range) && errno == ESRCH)
		mm->is_gone = true;
}
