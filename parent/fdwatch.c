/* SPDX-License-Identifier: MIT */
#include "parent/fdwatch.h"

#include <errno.h>
#include <stdlib.h>

/*
 * What questions cost, by the watches that the kernel passes: some 10 ns each,
 * and the call itself.  Counted, as a clock would make results depend on load.
 */
#define CALL_COST   64u
#define PAUSE_COST  20000u
#define BEFORE_COST 32000000u
#define NUMBER_COST 4000000u /* of it, for what most likely is as it seems */

#define LOOK_AHEAD 8u /* watches that were removed between two looks */

struct search {
	struct fdlook *look;
	const struct fdwatch_table *table;
	struct fdinfo_watch *set; /* the watches of one epoll set */
	uint32_t nr;
	uint64_t left_cost;
};

static int compare_fd(const void *key, const void *file)
{
	int32_t fd = *(const int32_t *)key;
	int32_t other = ((const struct fdwatch_file *)file)->fd;

	return fd < other ? -1 : fd > other;
}

static const struct fdwatch_file *file_of(const struct fdwatch_table *table,
					  int32_t fd)
{
	return table->nr ? bsearch(&fd, table->files, table->nr,
				   sizeof(*table->files), compare_fd)
			 : NULL;
}

static uint64_t cost_of(const struct search *search)
{
	return CALL_COST + search->nr / 2;
}

/*
 * fdlook_compare_watched(), or -ETIME when there is no time for it, or -ESTALE
 * when the target has taken the watch out of its set.
 */
static int ask(struct search *search, const struct fdwatch_file *file,
	       const struct fdlook_slot *slot, int *ret_order)
{
	int rc;

	if (search->left_cost < cost_of(search))
		return -ETIME;
	search->left_cost -= cost_of(search);
	rc = fdlook_compare_watched(search->look, file->fd, slot, ret_order);
	return rc == -ENOENT ? -ESTALE : rc;
}

/* Of sorted[@from] to before sorted[@end], which are one group. */
static int find_in_group(struct search *search, const struct fdlook_slot *slot,
			 uint32_t from, uint32_t end, int32_t *ret_through)
{
	while (from < end) {
		const uint32_t middle = from + (end - from) / 2;
		const struct fdwatch_file *file = search->table->sorted[middle];
		int order;
		int rc = ask(search, file, slot, &order);

		if (rc)
			return rc;
		if (order == 0) {
			*ret_through = file->fd;
			return 0;
		}
		if (order < 0)
			from = middle + 1;
		else
			end = middle;
	}
	return -ENOENT;
}

/* The first of sorted that has @ino or a higher one. */
static uint32_t first_of_inode(const struct fdwatch_table *table, uint64_t ino)
{
	uint32_t from = 0, end = table->nr;

	while (from < end) {
		const uint32_t middle = from + (end - from) / 2;

		if (table->sorted[middle]->ino < ino)
			from = middle + 1;
		else
			end = middle;
	}
	return from;
}

/* -ENOENT: the process has it no more.  Else 0, or -errno: it is not known. */
static int find(struct search *search, const struct fdlook_slot *slot,
		uint64_t ino, int32_t *ret_through)
{
	const struct fdwatch_table *table = search->table;
	uint32_t from = first_of_inode(table, ino);
	int rc = -ENOENT;

	while (rc == -ENOENT && from < table->nr &&
	       table->sorted[from]->ino == ino) {
		const uint32_t end = table->sorted[from]->group_end;

		rc = find_in_group(search, slot, from, end, ret_through);
		from = end;
	}
	return rc;
}

/* Which one of the set's watches of this number. */
static struct fdlook_slot slot_of(const struct search *search, uint32_t i)
{
	const struct image_epoll *watch = &search->set[i].epoll;
	struct fdlook_slot slot = {.epfd = watch->epfd, .fd = watch->fd};

	while (i--)
		slot.place += search->set[i].epoll.fd == watch->fd;
	return slot;
}

static void settle_one(struct search *search, uint32_t i)
{
	struct fdinfo_watch *watch = &search->set[i];
	const struct fdlook_slot slot = slot_of(search, i);
	const struct fdwatch_file *guess =
		file_of(search->table, watch->epoll.through);
	int32_t through = -1;
	int order = 1;
	int rc = guess ? ask(search, guess, &slot, &order) : 0;

	if (rc)
		return;
	if (order) {
		/* Rather none than one that is known to be another file. */
		watch->epoll.through = -1;
		rc = find(search, &slot, watch->ino, &through);
		if (rc && rc != -ENOENT)
			return;
		watch->epoll.through = through;
	}
	watch->doubt = FDINFO_SURE;
}

static void settle_set(struct search *search, enum fdinfo_doubt doubt)
{
	for (uint32_t i = 0; i < search->nr; i++)
		if (search->set[i].doubt == doubt &&
		    search->left_cost >= cost_of(search))
			settle_one(search, i);
}

static void settle_all(struct search *search, struct fdinfo_watches *watches,
		       enum fdinfo_doubt doubt)
{
	for (uint32_t i = 0; i < watches->nr; i += search->nr) {
		search->set = &watches->items[i];
		search->nr = 1;
		while (i + search->nr < watches->nr &&
		       search->set[search->nr].epoll.epfd ==
			       search->set->epoll.epfd)
			search->nr++;
		settle_set(search, doubt);
	}
}

static bool is_same(const struct fdinfo_watch *a, const struct fdinfo_watch *b)
{
	return a->epoll.epfd == b->epoll.epfd && a->epoll.fd == b->epoll.fd &&
	       a->epoll.data == b->epoll.data && a->ino == b->ino;
}

/* @watch as it was.  *@at moves on: a set is told in the same order again. */
static const struct fdinfo_watch *
find_before(const struct fdinfo_watches *before, uint32_t *at,
	    const struct fdinfo_watch *watch)
{
	for (uint32_t i = *at; i < before->nr && i < *at + LOOK_AHEAD; i++) {
		if (!is_same(&before->items[i], watch))
			continue;
		*at = i + 1;
		return &before->items[i];
	}
	return NULL;
}

/*
 * Neither the number nor what the watch was found to be has changed since.  Of
 * one that nobody had open that is not to be said.
 */
static bool holds(const struct fdwatch_table *table,
		  const struct fdinfo_watch *old,
		  const struct fdwatch_file *own)
{
	const struct fdwatch_file *through = own;

	if (old->doubt != FDINFO_SURE || (own && !own->is_as_before))
		return false;
	if (!own || own->fd != old->epoll.through)
		through = file_of(table, old->epoll.through);
	return through && through->is_as_before;
}

/* What @watch was found to be, when no descriptor has changed. */
static void guess_again(const struct fdinfo_watch *old,
			struct fdinfo_watch *watch)
{
	bool was_sure = old->doubt == FDINFO_SURE && !old->is_alone;

	watch->epoll.through = old->epoll.through;
	watch->is_alone = old->is_alone;
	watch->doubt = was_sure ? FDINFO_WAS_SURE : old->doubt;
}

static void guess_one(const struct fdwatch_table *table,
		      const struct fdinfo_watch *old,
		      struct fdinfo_watch *watch)
{
	const struct fdwatch_file *own = file_of(table, watch->epoll.fd);
	bool may_be = own && (!watch->ino || own->ino == watch->ino);

	watch->epoll.through = may_be ? own->fd : -1;
	watch->is_alone = may_be && own->is_alone;
	if (watch->is_alone) {
		watch->doubt = FDINFO_SURE;
	} else if (old && holds(table, old, own)) {
		watch->epoll.through = old->epoll.through;
		watch->doubt = FDINFO_WAS_SURE;
	} else {
		watch->doubt = may_be ? FDINFO_NUMBER : FDINFO_LOST;
	}
}

void fdwatch_settle(struct fdlook *look, const struct fdwatch_table *table,
		    const struct fdinfo_watches *before,
		    struct fdinfo_watches *watches)
{
	struct search search = {
		.look = look,
		.table = table,
		.left_cost = look->hurries ? PAUSE_COST : BEFORE_COST,
	};
	uint32_t at = 0;

	for (uint32_t i = 0; i < watches->nr; i++) {
		struct fdinfo_watch *watch = &watches->items[i];
		const struct fdinfo_watch *old =
			find_before(before, &at, watch);

		if (old && table->is_as_before)
			guess_again(old, watch);
		else
			guess_one(table, old, watch);
	}
	settle_all(&search, watches, FDINFO_LOST);
	if (search.left_cost > NUMBER_COST)
		search.left_cost = NUMBER_COST;
	settle_all(&search, watches, FDINFO_NUMBER);
	/* Where there is time left, even what was sure is made sure again. */
	settle_all(&search, watches, FDINFO_WAS_SURE);
}

int fdwatch_keep(struct fdinfo_watches *watches, struct fdinfo_watches *before)
{
	struct fdinfo_watch *items = calloc(watches->cap, sizeof(*items));

	if (!items)
		return -ENOMEM;
	*before = *watches;
	*watches = (struct fdinfo_watches){.items = items, .cap = before->cap};
	return 0;
}
