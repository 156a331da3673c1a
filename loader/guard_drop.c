/* SPDX-License-Identifier: MIT */
#include "loader/guard_drop.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/cleanup.h"
#include "common/image.h"
#include "common/page.h"
#include "loader/guard_file.h"
#include "loader/guard_filter.h"
#include "loader/guard_map.h"
#include "loader/guard_zero.h"

/* A call whose thread is held. */
struct drop {
	struct guard_call *call;
	struct guard_inject inject;
	struct guard_map map;
	struct guard_files files;
	int refused; /* why a file could not be mapped, or 0 */
};

/* The range of the call; false when the kernel will refuse or ignore it. */
static bool range_of(const struct guard_call *call, uint64_t *ret_start,
		     uint64_t *ret_end)
{
	uint64_t start = call->notif.data.args[0];
	uint64_t len = page_ceil(call->notif.data.args[1]);

	*ret_start = start;
	*ret_end = start + len;
	return start == page_floor(start) && start + len > start;
}

static int advise(struct guard_call *call, struct guard_inject *inject,
		  uint64_t start, uint64_t len_bytes, int64_t *ret_result)
{
	const uint64_t args[6] = {
		start, len_bytes, call->notif.data.args[2],
		0,     0,	  call->options->cookie,
	};

	return guard_inject_call(inject, SYS_madvise, args, ret_result);
}

/* What a new VMA must be told again. */
static int keep_advice(struct guard_inject *inject,
		       const struct guard_map_piece *piece)
{
	static const struct {
		uint32_t flag;
		uint64_t advice;
	} kept[] = {
		{IMAGE_VMA_HUGEPAGE, MADV_HUGEPAGE},
		{IMAGE_VMA_NOHUGEPAGE, MADV_NOHUGEPAGE},
		{IMAGE_VMA_DONTDUMP, MADV_DONTDUMP},
		{IMAGE_VMA_DONTFORK, MADV_DONTFORK},
	};

	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const uint64_t args[6] = {piece->start,
					  piece->end - piece->start,
					  kept[i].advice};
		int64_t result;

		if ((piece->vma_flags & kept[i].flag) &&
		    guard_inject_call(inject, SYS_madvise, args, &result))
			return -ESRCH;
	}
	return 0;
}

int guard_drop_replace(struct guard_inject *inject,
		       const struct guard_map_piece *piece)
{
	bool noreserve = piece->vma_flags & IMAGE_VMA_NORESERVE;
	const uint64_t args[6] = {
		piece->start,
		piece->end - piece->start,
		piece->prot,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			(noreserve ? MAP_NORESERVE : 0),
		~0ull,
		0,
	};
	int64_t result;

	if (guard_inject_call(inject, SYS_mmap, args, &result))
		return -ESRCH;
	if (result < 0)
		return (int)result;
	return keep_advice(inject, piece);
}

/* Replace, or write zeros where no map is to be had. */
static int replace_or_zero(struct guard_call *call, struct guard_inject *inject,
			   const struct guard_map_piece *piece)
{
	int memory_fd CLEANUP_CLOSE = -1;
	int r = guard_drop_replace(inject, piece);

	if (!r || r == -ESRCH)
		return r;
	call->stats->zero_filled++;
	memory_fd = guard_zero_open(inject->tid);
	if (memory_fd < 0)
		return memory_fd;
	return guard_zero(memory_fd, piece->start, piece->end);
}

/*
 * Where the file cannot be mapped the program's call fails, as it may for want
 * of memory: what was dropped then shows what the image has.
 */
static int put_file(struct drop *drop, const struct guard_map_piece *piece)
{
	struct guard_inject *inject = &drop->inject;
	int r = guard_file_map(drop->call, &drop->files, inject, piece);

	if (!r)
		return keep_advice(inject, piece);
	if (r == -ESRCH)
		return r;
	drop->refused = r == -ESTALE ? -EBADF : r;
	/* Zeros say less than a file that nobody asked for. */
	return r == -ESTALE && guard_drop_replace(inject, piece) == -ESRCH
		       ? -ESRCH
		       : 0;
}

static int replace(struct drop *drop, const struct guard_map_piece *piece)
{
	if (guard_map_is_written(piece))
		return put_file(drop, piece);
	return piece->kind == GUARD_MAP_OURS
		       ? replace_or_zero(drop->call, &drop->inject, piece)
		       : 0;
}

/* One injected call for neighbours that need the same map. */
static struct guard_map_piece join(const struct guard_map *map, unsigned *i)
{
	struct guard_map_piece joined = map->pieces[*i];

	while (++*i < map->nr) {
		const struct guard_map_piece *next = &map->pieces[*i];

		if (joined.kind == GUARD_MAP_IMAGE ||
		    next->kind != joined.kind || next->start != joined.end ||
		    next->prot != joined.prot ||
		    next->vma_flags != joined.vma_flags)
			break;
		joined.end = next->end;
	}
	return joined;
}

static int replace_all(struct drop *drop)
{
	for (unsigned i = 0; i < drop->map.nr;) {
		struct guard_map_piece piece = join(&drop->map, &i);
		int r = replace(drop, &piece);

		if (r)
			return r;
	}
	return 0;
}

/*
 * The call failed in its middle (a locked VMA, say): what lies before is
 * dropped, what lies behind is not.  Find where, a VMA at a time.
 */
static int replace_until_refused(struct drop *drop)
{
	for (unsigned i = 0; i < drop->map.nr; i++) {
		const struct guard_map_piece *piece = &drop->map.pieces[i];
		int64_t result;
		int r = advise(drop->call, &drop->inject, piece->start,
			       piece->end - piece->start, &result);

		if (r || result)
			return r;
		r = replace(drop, piece);
		if (r)
			return r;
	}
	return 0;
}

/* The program's own call first: its errno and its effect on all that is not
 * the image's are then the kernel's own. */
static int drop_held(struct drop *drop, int64_t *ret_result)
{
	struct guard_inject *inject = &drop->inject;
	struct guard_call *call = drop->call;
	const __u64 *args = call->notif.data.args;
	int r = advise(call, inject, args[0], args[1], ret_result);

	if (r)
		return r;
	if (*ret_result == 0 || *ret_result == -ENOMEM)
		r = replace_all(drop);
	else
		r = replace_until_refused(drop);
	if (!r && drop->refused) {
		*ret_result = drop->refused;
		return 0;
	}
	/* A new map has no guard pages: put them into it. */
	if (!r && (int)args[2] == GUARD_MADV_GUARD_INSTALL)
		r = advise(call, inject, args[0], args[1], ret_result);
	return r;
}

/* 0 when all that would read as zeros after the call does. */
static int zero_pieces(const struct guard_call *call,
		       const struct guard_map *map)
{
	int memory_fd CLEANUP_CLOSE = guard_zero_open((pid_t)call->notif.pid);
	int r = memory_fd < 0 ? memory_fd : 0;

	if (!guard_call_is_waiting(call))
		return -ESRCH;
	for (unsigned i = 0; !r && i < map->nr; i++) {
		const struct guard_map_piece *piece = &map->pieces[i];

		/* What another private file map would show is out of reach. */
		if (piece->kind == GUARD_MAP_FILE ||
		    piece->kind == GUARD_MAP_IMAGE)
			r = -EINVAL;
		else if (piece->kind != GUARD_MAP_SHARED)
			r = guard_zero(memory_fd, piece->start, piece->end);
	}
	return r;
}

static void drop_by_writing(struct guard_call *call,
			    const struct guard_map *map)
{
	if ((int)call->notif.data.args[2] == GUARD_MADV_GUARD_INSTALL ||
	    zero_pieces(call, map)) {
		guard_call_fail(call, -EINVAL);
		return;
	}
	call->stats->zero_filled++;
	guard_call_return(call);
}

/* The thread is seized: give it its files, do the call, take them back. */
static int drop_seized(struct drop *drop)
{
	int64_t result = 0;
	int sent = guard_file_send(drop->call, &drop->files);
	int r = guard_call_hold(drop->call, &drop->inject);

	if (r)
		return 0;
	if (sent)
		result = sent;
	else
		r = drop_held(drop, &result);
	if (!r)
		r = guard_file_take_back(&drop->files, &drop->inject);
	drop->call->stats->replaced++;
	guard_inject_finish(&drop->inject, result);
	return r == -ESRCH ? 0 : r;
}

static int drop_pieces(struct drop *drop)
{
	struct guard_call *call = drop->call;
	int r;

	if (!guard_filter_is_native(&call->notif.data) ||
	    guard_file_open(call, &drop->map, &drop->files)) {
		guard_call_fail(call, -EINVAL);
		return 0;
	}
	guard_map_refine((pid_t)call->notif.pid, &drop->map);
	r = guard_call_seize(call, &drop->inject);
	if (!r)
		return drop_seized(drop);
	if (r != -ESRCH)
		drop_by_writing(call, &drop->map);
	return 0;
}

static void clear_drop(struct drop *drop)
{
	guard_map_clear(&drop->map);
}

int guard_drop(struct guard_call *call)
{
	struct drop drop CLEANUP(clear_drop);
	uint64_t start, end;
	int r;

	drop.call = call;
	drop.map = (struct guard_map){0};
	drop.files.nr = 0;
	drop.refused = 0;
	if (!range_of(call, &start, &end)) {
		guard_call_continue(call);
		return 0;
	}
	r = guard_map_read((pid_t)call->notif.pid, start, end, call->options,
			   &drop.map);
	if (r || !guard_call_is_waiting(call)) {
		guard_call_fail(call, -EINVAL);
		return 0;
	}
	if (!drop.map.nr_ours && !drop.map.nr_written) {
		guard_call_continue(call);
		return 0;
	}
	return drop_pieces(&drop);
}
