/* SPDX-License-Identifier: MIT */
/*
 * vdso.c - pieces are matched by their order: [vvar], [vvar_vclock], [vdso]
 */
#include "loader/vdso.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct piece {
	uint64_t start, end;
};

bool vdso_is_piece(const struct image_vma *vma)
{
	return vma->kind == IMAGE_VMA_VDSO || vma->kind == IMAGE_VMA_VVAR;
}

/* Both return how many there are, and fill at most VDSO_PIECES_MAX. */
static unsigned image_pieces(const struct image *image, struct piece *ret)
{
	unsigned nr = 0;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (!vdso_is_piece(vma))
			continue;
		if (nr < VDSO_PIECES_MAX)
			ret[nr] = (struct piece){vma->start, vma->end};
		nr++;
	}
	return nr;
}

static unsigned own_pieces(const struct place_maps *maps, struct piece *ret)
{
	unsigned nr = 0;

	for (uint32_t i = 0; i < maps->nr; i++) {
		const struct place_map *map = &maps->list[i];

		if (strncmp(map->name, "[vvar", 5) != 0 &&
		    strcmp(map->name, "[vdso]") != 0)
			continue;
		if (nr < VDSO_PIECES_MAX)
			ret[nr] = (struct piece){map->start, map->end};
		nr++;
	}
	return nr;
}

int vdso_check_layout(const struct image *image, const struct place_maps *maps,
		      struct why *why)
{
	struct piece theirs[VDSO_PIECES_MAX], own[VDSO_PIECES_MAX];
	unsigned nr = image_pieces(image, theirs);
	bool same =
		nr <= VDSO_PIECES_MAX && (!nr || nr == own_pieces(maps, own));

	for (unsigned i = 0; same && i < nr; i++)
		same = theirs[i].end - theirs[i].start ==
			       own[i].end - own[i].start &&
		       theirs[i].start - theirs[0].start ==
			       own[i].start - own[0].start;
	if (same)
		return 0;
	return why_set(why, -EOPNOTSUPP,
		       "the image comes from another kernel build (its vdso is "
		       "laid out otherwise): parent %s",
		       image->kernel);
}

const void *vdso_code(const struct place_maps *maps, size_t *ret_bytes)
{
	*ret_bytes = 0;
	for (uint32_t i = 0; i < maps->nr; i++) {
		const struct place_map *map = &maps->list[i];

		if (strcmp(map->name, "[vdso]") != 0)
			continue;
		*ret_bytes = map->end - map->start;
		return (const void *)map->start;
	}
	return NULL;
}

static void move(struct plan *plan, uint64_t from, uint64_t to, uint64_t bytes)
{
	steps_add(&plan->steps, &(struct blob_step){
					.nr = SYS_mremap,
					.check = BLOB_ADDRESS,
					.args = {from, bytes, bytes,
						 MREMAP_MAYMOVE | MREMAP_FIXED,
						 to, plan->facts->cookie},
				});
}

/* Staging keeps the distances of the image's pieces. */
static uint64_t staged(const struct plan *plan, const struct piece *pieces,
		       unsigned i)
{
	return plan->facts->hole + PLAN_STAGING + pieces[i].start -
	       pieces[0].start;
}

void vdso_plan_out(struct plan *plan)
{
	struct piece theirs[VDSO_PIECES_MAX], own[VDSO_PIECES_MAX];
	unsigned nr = image_pieces(plan->image, theirs);

	steps_about(&plan->steps, STEPS_VDSO, 0);
	if (!nr)
		return;
	(void)own_pieces(plan->facts->maps, own);
	for (unsigned i = 0; i < nr; i++)
		move(plan, own[i].start, staged(plan, theirs, i),
		     own[i].end - own[i].start);
}

void vdso_plan_in(struct plan *plan)
{
	struct piece theirs[VDSO_PIECES_MAX];
	unsigned nr = image_pieces(plan->image, theirs);

	steps_about(&plan->steps, STEPS_VDSO, 0);
	for (unsigned i = 0; i < nr; i++)
		move(plan, staged(plan, theirs, i), theirs[i].start,
		     theirs[i].end - theirs[i].start);
}
