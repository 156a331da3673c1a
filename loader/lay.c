/* SPDX-License-Identifier: MIT */
/*
 * lay.c - obey the plan's steps as the blob would, in the loader
 */
#include "loader/lay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "loader/blob/sys.h"

#define STACK_BYTES (UINT64_C(64) << 20) /* that our own may grow to */

/* One of our maps, and what gaps there are for it. */
struct fit {
	uint64_t start, end;
	bool fits;
};

static void try_gap(void *arg, uint64_t start, uint64_t end)
{
	struct fit *fit = arg;

	if (fit->start >= start && fit->end <= end)
		fit->fits = true;
}

/* The blob's own map lies in the hole, which is no gap. */
static bool in_hole(const struct plan_facts *facts, const struct fit *fit)
{
	return fit->start >= facts->hole &&
	       fit->end <= facts->hole + PLAN_HOLE_BYTES;
}

static bool has_room(const struct plan *plan, const struct place_map *map)
{
	struct fit fit = {.start = map->start, .end = map->end};

	if (!strcmp(map->name, "[stack]"))
		fit.start -= STACK_BYTES;
	/* Each process has it, above all else. */
	if (!strcmp(map->name, "[vsyscall]") || in_hole(plan->facts, &fit))
		return true;
	plan_gaps(plan->image, plan->facts, try_gap, &fit);
	return fit.fits;
}

static int check(const struct plan *plan, const struct place_maps *maps,
		 struct why *why)
{
	for (uint32_t i = 0; i < maps->nr; i++) {
		const struct place_map *map = &maps->list[i];

		if (!has_room(plan, map))
			return why_set(
				why, -EEXIST,
				"our own map at %lx is in the way of the "
				"image",
				(unsigned long)map->start);
	}
	return 0;
}

int lay_fits(const struct plan *plan, struct why *why)
{
	struct place_maps maps = {NULL, 0};
	int error = place_read_maps(&maps);

	if (!error)
		error = check(plan, &maps, why);
	free(maps.list);
	return error;
}

/* All of a file's bytes that are asked for: fd, buffer, count, offset. */
static long read_all(const struct blob_step *step)
{
	uint64_t args[6];

	memcpy(args, step->args, sizeof(args));
	while (args[2]) {
		long done = sys_call(step->nr, args);

		if (done < 0)
			return done;
		if (!done)
			return -ENODATA;
		args[1] += (uint64_t)done;
		args[2] -= (uint64_t)done;
		args[3] += (uint64_t)done;
	}
	return 0;
}

static int obey(const struct blob_step *step)
{
	uint64_t wanted = step->check == BLOB_SAME ? step->args[0] : 0;
	long result;

	if (step->check == BLOB_COUNT)
		return (int)read_all(step);
	result = sys_call(step->nr, step->args);
	if (step->check == BLOB_ANY || (uint64_t)result == wanted)
		return 0;
	return result < 0 && result > -4096 ? (int)result : -EFAULT;
}

static void undo(const struct plan *plan, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		const struct blob_step *step = &plan->laid.list[i];

		if (step->nr == SYS_mmap)
			(void)munmap((void *)step->args[0], step->args[1]);
	}
}

int lay_do(const struct plan *plan, int space)
{
	/* The number that the steps know it by. */
	CLEANUP_CLOSE int fd =
		dup3(space, plan_fd(plan->facts, PLAN_SLOT_SPACE), O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (uint32_t i = 0; i < plan->laid.nr; i++) {
		int error = obey(&plan->laid.list[i]);

		if (!error)
			continue;
		undo(plan, i);
		return error;
	}
	return 0;
}
