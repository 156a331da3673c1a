/* SPDX-License-Identifier: MIT */
#include "loader/guard_remap.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/cleanup.h"
#include "common/image.h"
#include "common/page.h"
#include "loader/guard_drop.h"
#include "loader/guard_filter.h"
#include "loader/guard_map.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define CLEANUP_MAP CLEANUP(guard_map_clear)
#define ADDRESS_END 0x00fffffffffff000ull /* 57 bits, five levels */
#define ANONYMOUS   (MAP_PRIVATE | MAP_ANONYMOUS)

struct remap {
	uint64_t from, from_bytes; /* whole pages */
	uint64_t to_bytes;
	uint64_t to; /* wanted, then found */
	unsigned flags;
	struct guard_map map;
	struct guard_inject inject;
	uint64_t cookie;
};

static void clear_remap(struct remap *remap)
{
	guard_map_clear(&remap->map);
}

static bool can_be_there(const struct remap *remap)
{
	return remap->to == page_floor(remap->to) &&
	       remap->to_bytes <= ADDRESS_END &&
	       remap->to <= ADDRESS_END - remap->to_bytes &&
	       (remap->to + remap->to_bytes <= remap->from ||
		remap->from + remap->from_bytes <= remap->to);
}

/* False for what the kernel refuses before it does anything. */
static bool parse(const struct guard_call *call, struct remap *ret)
{
	const __u64 *args = call->notif.data.args;
	const unsigned known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	*ret = (struct remap){
		.from = args[0],
		.from_bytes = page_ceil(args[1]),
		.to_bytes = page_ceil(args[2]),
		.flags = (unsigned)args[3],
		.to = args[4],
		.cookie = call->options->cookie,
	};
	if ((args[3] & ~(uint64_t)known) || ret->from != page_floor(ret->from))
		return false;
	if ((ret->flags & ~(unsigned)MREMAP_MAYMOVE) &&
	    !(ret->flags & MREMAP_MAYMOVE))
		return false;
	if ((ret->flags & MREMAP_DONTUNMAP) && ret->from_bytes != ret->to_bytes)
		return false;
	if ((ret->flags & MREMAP_FIXED) && !can_be_there(ret))
		return false;
	return ret->to_bytes && ret->from + ret->from_bytes > ret->from;
}

static bool is_fixed(const struct remap *remap)
{
	return remap->flags & MREMAP_FIXED;
}

static bool leaves_copy(const struct remap *remap)
{
	return remap->flags & MREMAP_DONTUNMAP;
}

static bool grows(const struct remap *remap)
{
	return remap->to_bytes > remap->from_bytes;
}

/* The kernel moves a single map rightly: its file offsets go with it. */
static bool kernel_can(const struct remap *remap)
{
	if (grows(remap) || leaves_copy(remap))
		return false;
	return !is_fixed(remap) || remap->map.nr == 1;
}

/* What the call is on: the image's pieces, or an area that replacements have
 * cut; else it is the kernel's business. */
static bool is_ours(const struct remap *remap)
{
	const struct guard_map *map = &remap->map;

	if (map->nr_ours)
		return true;
	for (unsigned i = 0; i < map->nr; i++)
		if (map->pieces[i].kind != GUARD_MAP_ANON ||
		    map->pieces[i].prot != map->pieces[0].prot)
			return false;
	return map->nr > 1;
}

/* Dropped pages are a map of the file itself: of the image's pieces, in it. */
static bool is_cut_file(const struct guard_map *map, unsigned i)
{
	const struct guard_map_piece *piece = &map->pieces[i];

	return piece->kind == GUARD_MAP_IMAGE ||
	       (i && piece->kind == GUARD_MAP_FILE &&
		piece[-1].kind == GUARD_MAP_FILE &&
		piece[-1].end == piece->start);
}

/*
 * Growth of what stands for a file: in the image the next bytes are the next
 * area's, and the file may not be here.  Where pages were dropped its area may
 * be cut, which the kernel would call EFAULT.
 */
static bool has_no_more(const struct remap *remap)
{
	for (unsigned i = 0; grows(remap) && i < remap->map.nr; i++)
		if (is_cut_file(&remap->map, i))
			return true;
	return false;
}

/* True when the pieces could be one anonymous area of the parent. */
static bool is_one_area(const struct remap *remap)
{
	const struct guard_map *map = &remap->map;
	uint64_t at = remap->from;

	for (unsigned i = 0; i < map->nr; i++) {
		const struct guard_map_piece *piece = &map->pieces[i];

		if (piece->start != at || piece->prot != map->pieces[0].prot ||
		    (piece->kind != GUARD_MAP_OURS &&
		     piece->kind != GUARD_MAP_ANON))
			return false;
		at = piece->end;
	}
	return at == remap->from + remap->from_bytes;
}

static int call(struct remap *remap, long nr, const uint64_t args[6],
		int64_t *ret_result)
{
	return guard_inject_call(&remap->inject, nr, args, ret_result);
}

/* Failing to unmap what was only reserved leaves address space, no bytes. */
static int unmap(struct remap *remap, uint64_t addr, uint64_t len_bytes)
{
	const uint64_t args[6] = {addr, len_bytes};
	int64_t result;

	return len_bytes ? call(remap, SYS_munmap, args, &result) : 0;
}

/* Set address space aside; *@ret_at is an address or -errno. */
static int reserve(struct remap *remap, uint64_t addr, uint64_t len_bytes,
		   uint64_t flags, int64_t *ret_at)
{
	const uint64_t args[6] = {addr, len_bytes, PROT_NONE,
				  ANONYMOUS | MAP_NORESERVE | flags, ~0ull};

	return call(remap, SYS_mmap, args, ret_at);
}

/* Anonymous memory for what the area gains, at @start.  1: there is none. */
static int map_tail(struct remap *remap, uint64_t start)
{
	struct guard_map_piece tail = remap->map.pieces[remap->map.nr - 1];
	int r;

	if (!grows(remap))
		return 0;
	tail.start = start;
	tail.end = start + remap->to_bytes - remap->from_bytes;
	r = guard_drop_replace(&remap->inject, &tail);
	return r && r != -ESRCH ? 1 : r;
}

/* *@ret_result: the address, or -ENOMEM when the room behind is taken. */
static int grow_in_place(struct remap *remap, int64_t *ret_result)
{
	uint64_t end = remap->from + remap->from_bytes;
	uint64_t more = remap->to_bytes - remap->from_bytes;
	int64_t at;
	int r = reserve(remap, end, more, MAP_FIXED_NOREPLACE, &at);

	*ret_result = -ENOMEM;
	if (r || at < 0)
		return r;
	r = (uint64_t)at == end ? map_tail(remap, end) : 1;
	if (r == 1)
		return unmap(remap, (uint64_t)at, more);
	*ret_result = (int64_t)remap->from;
	return r;
}

static int move_piece(struct remap *remap, uint64_t from, uint64_t to,
		      uint64_t len_bytes, int64_t *ret_result)
{
	uint64_t flags = MREMAP_MAYMOVE | MREMAP_FIXED |
			 (leaves_copy(remap) ? MREMAP_DONTUNMAP : 0);
	const uint64_t args[6] = {from,	 len_bytes, len_bytes,
				  flags, to,	    remap->cookie};

	return call(remap, SYS_mremap, args, ret_result);
}

/* Put the first @nr pieces back.  -EIO: they do not go. */
static int move_back(struct remap *remap, unsigned nr)
{
	const struct guard_map_piece *pieces = remap->map.pieces;
	uint64_t moved = pieces[nr].start - remap->from;
	int r = unmap(remap, remap->to + moved, remap->to_bytes - moved);

	while (!r && nr--) {
		uint64_t len = pieces[nr].end - pieces[nr].start;
		uint64_t at = remap->to + (pieces[nr].start - remap->from);
		int64_t result;

		r = move_piece(remap, at, pieces[nr].start, len, &result);
		if (!r && result < 0)
			r = -EIO;
		if (!r && leaves_copy(remap))
			r = unmap(remap, at, len);
	}
	return r;
}

/* What is left at the old place reads as zeros. */
static int leave_zeros(struct remap *remap)
{
	for (unsigned i = 0; i < remap->map.nr; i++) {
		const struct guard_map_piece *piece = &remap->map.pieces[i];
		int r = piece->kind == GUARD_MAP_OURS
				? guard_drop_replace(&remap->inject, piece)
				: 0;

		if (r)
			return r == -ESRCH ? r : -EIO;
	}
	return 0;
}

/* Move all to @remap->to, where room is reserved. */
static int move_pieces(struct remap *remap, int64_t *ret_result)
{
	const struct guard_map *map = &remap->map;

	for (unsigned i = 0; i < map->nr; i++) {
		const struct guard_map_piece *piece = &map->pieces[i];
		int r = move_piece(remap, piece->start,
				   remap->to + (piece->start - remap->from),
				   piece->end - piece->start, ret_result);

		if (r)
			return r;
		if (*ret_result < 0)
			return move_back(remap, i);
	}
	*ret_result = (int64_t)remap->to;
	return leaves_copy(remap) ? leave_zeros(remap) : 0;
}

static int move(struct remap *remap, int64_t *ret_result)
{
	bool hinted = is_fixed(remap) || leaves_copy(remap);
	int64_t at;
	int r = reserve(remap, hinted ? remap->to : 0, remap->to_bytes,
			is_fixed(remap) ? MAP_FIXED : 0, &at);

	*ret_result = at;
	if (r || at < 0)
		return r;
	remap->to = (uint64_t)at;
	r = map_tail(remap, remap->to + remap->from_bytes);
	if (r == 1) {
		*ret_result = -ENOMEM;
		return unmap(remap, remap->to, remap->to_bytes);
	}
	return r ? r : move_pieces(remap, ret_result);
}

/* A move to a smaller place: the rest goes first, as in the kernel. */
static int shrink(struct remap *remap)
{
	uint64_t end = remap->from + remap->to_bytes;
	struct guard_map *map = &remap->map;
	int r = unmap(remap, end, remap->from_bytes - remap->to_bytes);

	remap->from_bytes = remap->to_bytes;
	while (map->pieces[map->nr - 1].start >= end)
		map->nr--;
	map->pieces[map->nr - 1].end = end;
	return r;
}

static int remap_held(struct remap *remap, int64_t *ret_result)
{
	int r = 0;

	*ret_result = -ENOMEM;
	if (!is_fixed(remap) && grows(remap)) {
		r = grow_in_place(remap, ret_result);
		if (r || *ret_result >= 0)
			return r;
	}
	if (!(remap->flags & MREMAP_MAYMOVE))
		return 0;
	if (remap->to_bytes < remap->from_bytes)
		r = shrink(remap);
	return r ? r : move(remap, ret_result);
}

int guard_remap(struct guard_call *call)
{
	struct remap remap CLEANUP(clear_remap);
	int64_t result;
	int r;

	if (!parse(call, &remap)) {
		guard_call_continue(call);
		return 0;
	}
	r = guard_map_read((pid_t)call->notif.pid, remap.from,
			   remap.from + remap.from_bytes, call->options,
			   &remap.map);
	if (r || !guard_call_is_waiting(call)) {
		guard_call_fail(call, -ENOMEM);
		return 0;
	}
	if (has_no_more(&remap)) {
		guard_call_fail(call, -ENOMEM);
		return 0;
	}
	if (!is_ours(&remap) || kernel_can(&remap)) {
		guard_call_continue(call);
		return 0;
	}
	if (!is_one_area(&remap)) {
		guard_call_fail(call, -EFAULT);
		return 0;
	}
	guard_map_refine((pid_t)call->notif.pid, &remap.map);
	/* Growth may always fail: callers allocate anew and copy. */
	r = guard_filter_is_native(&call->notif.data)
		    ? guard_call_stop(call, &remap.inject)
		    : -ENOMEM;
	if (r) {
		if (r != -ESRCH)
			guard_call_fail(call, -ENOMEM);
		return 0;
	}
	r = remap_held(&remap, &result);
	call->stats->moved++;
	guard_inject_finish(&remap.inject, result);
	return r == -ESRCH ? 0 : r;
}
