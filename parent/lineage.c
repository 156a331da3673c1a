/* SPDX-License-Identifier: MIT */
#include "parent/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "common/siphash.h"

/* Nobody is to be kept from making two alike: who could, has both images. */
static const struct siphash_key no_key;

uint64_t lineage_of(const struct image *image)
{
	const struct image_mm *mm = &image->mm;
	const char *exe = image->exe ? image->exe : "";
	/* Each is at a place of its own choice, or the kernel's, by exec. */
	const uint64_t layout[] = {
		siphash(&no_key, exe, strlen(exe)),
		image->exe_bytes,
		mm->start_code,
		mm->end_code,
		mm->start_data,
		mm->start_brk,
		mm->start_stack,
		mm->arg_start,
		mm->env_end,
	};

	return siphash(&no_key, layout, sizeof(layout));
}

static int is_same(struct lineage a, struct lineage b)
{
	return a.id == b.id && a.owner == b.owner;
}

/* Its own place, else a free one, else that of the longest unused. */
static struct lineage_entry *place_for(struct lineages *lineages,
				       struct lineage who)
{
	struct lineage_entry *best = lineages->entries;

	for (unsigned i = 0; i < LINEAGES_MAX; i++) {
		struct lineage_entry *entry = &lineages->entries[i];

		if (entry->used && is_same(entry->who, who))
			return entry;
		if (entry->used < best->used)
			best = entry;
	}
	return best;
}

void lineages_keep(struct lineages *lineages, struct lineage who,
		   struct workset *set)
{
	struct lineage_entry *entry;

	if (!set->nr)
		return;
	entry = place_for(lineages, who);
	workset_done(&entry->set);
	*entry = (struct lineage_entry){who, ++lineages->nr_uses, *set};
	*set = (struct workset){0};
	entry->set.is_inherited = true;
	workset_cut(&entry->set, LINEAGE_RUNS_MAX);
}

const struct workset *lineages_find(struct lineages *lineages,
				    struct lineage who)
{
	for (unsigned i = 0; i < LINEAGES_MAX; i++) {
		struct lineage_entry *entry = &lineages->entries[i];

		if (!entry->used || !is_same(entry->who, who))
			continue;
		entry->used = ++lineages->nr_uses;
		return &entry->set;
	}
	return NULL;
}

void lineages_done(struct lineages *lineages)
{
	for (unsigned i = 0; i < LINEAGES_MAX; i++)
		workset_done(&lineages->entries[i].set);
	*lineages = (struct lineages){0};
}
