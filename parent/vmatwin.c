/* SPDX-License-Identifier: MIT */
#include "parent/vmatwin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/vmas.h"

#define MAPS_BYTES_MAX (256ul << 20)
#define LOST	       ((uint32_t)(IMAGE_VMA_DONTFORK | IMAGE_VMA_LOCKED))

struct table {
	struct image_vma *vmas;
	uint32_t nr, cap;
};

static void cleanup_table(struct table *table)
{
	vmas_free(table->vmas, table->nr);
}

static int read_maps(pid_t pid, struct table *table, struct refusal *why)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	rc = io_slurp_at(AT_FDCWD, path, MAPS_BYTES_MAX, &text, &len);
	if (rc)
		return rc == -ENOENT ? -ESRCH : rc;
	return vmas_parse(text, len, &table->vmas, &table->nr, why);
}

static bool is_same(const struct image_vma *a, const struct image_vma *b)
{
	return a->start == b->start && a->end == b->end && a->prot == b->prot &&
	       a->offset_bytes == b->offset_bytes && a->inode == b->inode &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       !((a->flags ^ b->flags) & IMAGE_VMA_SHARED_MAP) &&
	       !strcmp(a->name, b->name);
}

/* Take kind and flags from @before; false if an area is not there. */
static bool take_known(struct table *table, const struct image_vma *before,
		       uint32_t nr_before)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < table->nr; i++) {
		struct image_vma *vma = &table->vmas[i];

		while (k < nr_before && before[k].start < vma->start)
			k++;
		if (k == nr_before || !is_same(vma, &before[k]))
			return false;
		vma->kind = before[k].kind;
		vma->flags = before[k].flags;
	}
	return true;
}

int vmatwin_read(pid_t twin, const struct image_vma *before, uint32_t nr_before,
		 struct image *image, struct refusal *why)
{
	CLEANUP(cleanup_table) struct table table = {0};
	int rc = read_maps(twin, &table, why);

	if (rc)
		return rc;
	if (take_known(&table, before, nr_before)) {
		image->vmas = steal_ptr(&table.vmas);
		image->nr_vmas = table.nr;
		return 0;
	}
	rc = vmas_read(twin, &image->vmas, &image->nr_vmas, why);
	return rc ? rc : vmatwin_carry_flags(image, before, nr_before);
}

/* The lost flags at @at, and in *@ret_end how far they reach at least. */
static uint32_t lost_at(const struct image_vma *before, uint32_t nr_before,
			uint32_t *k, uint64_t at, uint64_t *ret_end)
{
	while (*k < nr_before && before[*k].end <= at)
		++*k;
	if (*k == nr_before) {
		*ret_end = UINT64_MAX;
		return 0;
	}
	if (before[*k].start > at) {
		*ret_end = before[*k].start;
		return 0;
	}
	*ret_end = before[*k].end;
	return before[*k].flags & LOST;
}

/* Add [@start, @end) of @vma, with a name of its own. */
static int add_part(struct table *table, const struct image_vma *vma,
		    uint64_t start, uint64_t end)
{
	struct image_vma *part;

	if (table->nr == table->cap) {
		uint32_t cap = table->cap ? table->cap * 2 : 256;
		struct image_vma *vmas =
			realloc(table->vmas, cap * sizeof(*vmas));

		if (!vmas)
			return -ENOMEM;
		table->vmas = vmas;
		table->cap = cap;
	}
	part = &table->vmas[table->nr];
	*part = *vma;
	part->name = strdup(vma->name);
	if (!part->name)
		return -ENOMEM;
	part->start = start;
	part->end = end;
	if (vma->inode)
		part->offset_bytes += start - vma->start;
	table->nr++;
	return 0;
}

static int add_parts(struct table *table, const struct image_vma *vma,
		     const struct image_vma *before, uint32_t nr_before,
		     uint32_t *k)
{
	uint64_t at = vma->start, end;

	while (at < vma->end) {
		uint32_t lost = lost_at(before, nr_before, k, at, &end);
		uint64_t next = end;
		int rc;

		/* Neighbours that lost the same stay one. */
		while (next < vma->end &&
		       lost_at(before, nr_before, k, next, &end) == lost)
			next = end;
		rc = add_part(table, vma, at,
			      next < vma->end ? next : vma->end);
		if (rc)
			return rc;
		table->vmas[table->nr - 1].flags |= lost;
		at = next;
	}
	return 0;
}

int vmatwin_carry_flags(struct image *image, const struct image_vma *before,
			uint32_t nr_before)
{
	CLEANUP(cleanup_table) struct table table = {0};
	uint32_t k = 0;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		int rc = add_parts(&table, &image->vmas[i], before, nr_before,
				   &k);

		if (rc)
			return rc;
	}
	vmas_free(image->vmas, image->nr_vmas);
	image->vmas = steal_ptr(&table.vmas);
	image->nr_vmas = table.nr;
	table.nr = 0;
	return 0;
}
