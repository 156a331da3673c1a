/* SPDX-License-Identifier: MIT */
/*
 * fuzz_plan.c - a plan for whatever decodes as a descriptor
 *
 * All that the loader makes of an image before it makes a process: fates of
 * descriptors, checks of registers, the plan.  Every argument that points at
 * the plan's data must point into it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/desc.h"
#include "loader/fate.h"
#include "loader/plan.h"
#include "loader/vdso.h"

#define HOLE UINT64_C(0x300000000000)
#define MAPS                                                                   \
	"7f0000000000-7f0000004000 r--p 00000000 00:00 0   [vvar]\n"           \
	"7f0000004000-7f0000006000 r-xp 00000000 00:00 0   [vdso]\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

/* What is mapped ahead stays out of the gaps that a child clears. */
static void check_gap(void *arg, uint64_t start, uint64_t end)
{
	const struct plan *plan = arg;

	demand(start < end);
	for (uint32_t i = 0; i < plan->laid.nr; i++) {
		const struct blob_step *step = &plan->laid.list[i];

		if (step->nr == SYS_mmap)
			demand(step->args[0] + step->args[1] <= start ||
			       step->args[0] >= end);
	}
}

static void check_plan(const struct plan *plan)
{
	char text[200];

	for (uint32_t i = 0; i < plan->steps.nr; i++) {
		const struct blob_step *step = &plan->steps.list[i];

		demand(step->op <= BLOB_LEAVE && step->check <= BLOB_ANY);
		demand(step->kept_arg <= 6);
		if (step->op == BLOB_SPAWN)
			demand(step->args[2] < plan->steps.nr);
		if (step->op == BLOB_JOIN || step->op == BLOB_LEAVE)
			demand(step->args[0] >= plan->frames_addr &&
			       step->args[0] < plan->stacks_addr);
		plan_describe(plan, (int32_t)i, text, sizeof(text));
	}
	demand(plan_steps_addr(plan) +
		       plan->steps.nr * sizeof(struct blob_step) <=
	       plan->end_addr);
	demand(plan->end_addr <= plan->facts->hole + PLAN_STAGING);
	if (plan->facts->laid)
		plan_gaps(plan->image, plan->facts, check_gap, (void *)plan);
	else
		demand(!plan->laid.nr);
}

static void plan_with(const struct image *image, struct plan_facts *facts)
{
	struct why why = {""};
	struct plan *plan;

	frame_read_xsave(image, false, &facts->xsave);
	if (frame_check(image, &facts->xsave, &why) ||
	    vdso_check_layout(image, facts->maps, &why))
		return;
	if (plan_build(image, facts, &plan, &why))
		return;
	check_plan(plan);
	plan_free(plan);
}

static void plan_all(const struct image *image, const struct place_maps *maps)
{
	uint64_t *inodes = calloc(image->nr_vmas + 1, sizeof(*inodes));
	struct plan_facts facts = {
		.hole = HOLE,
		.code_bytes = 4096,
		.maps = maps,
		.fd_base = 1 << 20,
		.has_space = true,
		.vma_inodes = inodes,
	};

	(void)place_find(maps, image, PLAN_HOLE_BYTES);
	plan_with(image, &facts);
	facts.laid = true;
	plan_with(image, &facts);
	facts.laid = facts.has_space = false;
	facts.new_pid = facts.set_exe = facts.die_with_parent = true;
	plan_with(image, &facts);
	facts.memory = PLAN_MEMORY_OWN;
	plan_with(image, &facts);
	free(inodes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fate_options options = {0};
	struct why why = {""};
	struct place_maps maps;
	struct image *image;
	struct fate *fates;
	char text[128];

	if (desc_decode(data, len, &image))
		return 0;
	demand(!place_parse(MAPS, &maps));
	fates = calloc(image->nr_fds + 1, sizeof(*fates));
	if (!fate_decide(image, &options, fates, &why))
		fate_describe_dead(fates, image->nr_fds, text, sizeof(text));
	plan_all(image, &maps);
	free(fates);
	free(maps.list);
	image_free(image);
	return 0;
}
