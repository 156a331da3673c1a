/* SPDX-License-Identifier: MIT */
#include "rdmafetch/supply.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/page.h"
#include "common/quietthread.h"
#include "common/source.h"
#include "rdmafetch/landing.h"
#include "rdmafetch/likely.h"
#include "rdmafetch/wanted.h"

#define SLOT_PAGES 64u
#define SLOTS	   1024u /* images have small pieces */

/* Used up, before the thread is woken to use their places again. */
#define SPENT_SLOTS 16u

/*
 * What is known comes in the order in which it is wanted: few places do, again
 * and again, and stay in the CPU's caches.  A long link is to be kept busy.
 */
#define KNOWN_SLOTS	   32u
#define KNOWN_SLOTS_FAR	   64u
#define KNOWN_SPENT_SLOTS  4u
#define KNOWN_WINDOW_PAGES 64u

/* Looked at in one go, while others wait for the lock: all may be here. */
#define FEED_RUNS_MAX 256u

/* A fault has taken pages that were asked for so much later: who does not want
 * those before by now, will not. */
#define KNOWN_LAG (KNOWN_SLOTS / 2)

#define POOL_BYTES ((size_t)SLOTS * SLOT_PAGES * PAGE_BYTES)

_Static_assert(SLOT_PAGES <= 64, "slot.used has a bit for each page");
_Static_assert(SLOTS <= INFLIGHT_MAX / 2, "who is not in it is fetched twice");

struct slot {
	struct flight flight; /* first: see slot_of() */
	uint64_t used;	      /* a bit for each page that a fault took */
	uint64_t at;	      /* how many were begun before it */
	bool busy, is_settled;
};

/*
 * Each slot has its place in the pool.  The first free one is used, so that as
 * few pages of the pool as possible are ever touched.
 */
struct supply {
	struct pump *pump;
	struct supply_options options;
	struct supply_stats stats;
	struct likely *likely;	  /* NULL: nothing is brought now */
	struct prefetch_run next; /* of what is likely: not asked for yet */
	struct slot *slots;
	unsigned nr_slots, nr_busy, nr_spent; /* of those that were ever used */
	uint64_t nr_begun, last_used; /* the last that a fault took from */
	uint64_t retired_at;	      /* last_used then */
	char *pool;
	uint64_t nr_issued, nr_flying; /* pages */
	struct waiter waiter;
	pthread_t thread;
	int nr_users;
	bool is_called, is_ending, is_closing, had_user;
	bool has_thread, is_over, is_idle;
	bool is_woken; /* since the thread has begun to look */
	bool is_dry;   /* nothing is likely now: no place is used again soon */
};

static uint64_t pages_of(const struct slot *slot)
{
	return slot->flight.len_bytes >> PAGE_SHIFT;
}

static bool knows(const struct supply *supply)
{
	return supply->options.known && supply->options.known->nr;
}

static uint64_t all_used(const struct slot *slot)
{
	return UINT64_MAX >> (64 - pages_of(slot));
}

/* With what is known, places that were passed are as good as used up. */
static bool has_spent(const struct supply *supply)
{
	if (!knows(supply))
		return supply->nr_spent >= SPENT_SLOTS;
	return supply->nr_spent >= KNOWN_SPENT_SLOTS ||
	       supply->last_used >= supply->retired_at + KNOWN_SPENT_SLOTS;
}

static void wake(struct supply *supply)
{
	supply->is_woken = true;
	if (supply->is_idle)
		(void)pthread_cond_signal(&supply->waiter.wake);
}

/* ---- the end of a slot ---- */

/* What no fault took is not here any more, for the reason @lost or not. */
static void forget_unused(struct supply *supply, const struct slot *slot,
			  bool lost)
{
	struct prefetch_run run = {page_of(slot->flight.raddr), 1};

	for (uint64_t i = 0; i < pages_of(slot); i++, run.first_page++) {
		if (slot->used >> i & 1)
			continue;
		if (lost)
			foreseen_lost(supply->options.foreseen, run);
		else
			foreseen_dropped(supply->options.foreseen, run);
	}
}

/* Note how a flight ended that did.  What a break took along is not tried
 * again, nor is more asked for: faults will make the connection anew. */
static void settle_slot(struct supply *supply, struct slot *slot)
{
	slot->is_settled = true;
	supply->nr_flying -= pages_of(slot);
	if (slot->flight.result) {
		/* The image is gone. */
		supply->is_ending |= slot->flight.result == -ESTALE;
		forget_unused(supply, slot, true);
		slot->busy = false;
		supply->nr_busy--;
		return;
	}
	supply->stats.reads++;
	supply->stats.pages += pages_of(slot);
}

static void settle(struct supply *supply)
{
	for (unsigned i = 0; supply->nr_flying && i < supply->nr_slots; i++) {
		struct slot *slot = &supply->slots[i];

		if (!slot->is_settled && slot->flight.delivered)
			settle_slot(supply, slot);
	}
}

static bool is_spent(const struct supply *supply, const struct slot *slot)
{
	return slot->used == all_used(slot) ||
	       (knows(supply) && slot->at + KNOWN_LAG < supply->last_used);
}

/* Lets the lock go meanwhile. */
static void give_back(struct supply *supply, const struct slot *slot)
{
	(void)pthread_mutex_unlock(&supply->pump->lock);
	(void)madvise(slot->flight.buf, slot->flight.len_bytes, MADV_DONTNEED);
	(void)pthread_mutex_lock(&supply->pump->lock);
}

/* What was used, or passed, is out of everybody's reach, and its place free. */
static void retire_spent(struct supply *supply)
{
	supply->nr_spent = 0;
	supply->retired_at = supply->last_used;
	for (unsigned i = 0; i < supply->nr_slots; i++) {
		struct slot *slot = &supply->slots[i];

		if (!slot->busy || !slot->is_settled || !is_spent(supply, slot))
			continue;
		if (slot->flight.pins) {
			supply->nr_spent++;
			continue;
		}
		forget_unused(supply, slot, false);
		landing_retire(supply->pump, &slot->flight);
		slot->busy = false;
		supply->nr_busy--;
		if (supply->is_dry && !knows(supply))
			give_back(supply, slot);
	}
}

/* ---- the stream ---- */

static struct slot *free_slot(struct supply *supply)
{
	unsigned i = 0;

	if (supply->nr_busy++ == supply->nr_slots)
		return &supply->slots[supply->nr_slots++];
	while (supply->slots[i].busy)
		i++;
	return &supply->slots[i];
}

static void start_slot(struct supply *supply, struct prefetch_run piece)
{
	struct slot *slot = free_slot(supply);
	struct flight *flight = &slot->flight;

	*slot = (struct slot){.busy = true, .at = supply->nr_begun++};
	flight->waiter = &supply->waiter;
	flight->object = SOURCE_MEMORY;
	flight->raddr = piece.first_page << PAGE_SHIFT;
	flight->len_bytes = (uint32_t)(piece.nr_pages << PAGE_SHIFT);
	flight->buf = supply->pool +
		      (size_t)(slot - supply->slots) * SLOT_PAGES * PAGE_BYTES;
	flight->kept = true;
	supply->nr_issued += piece.nr_pages;
	supply->nr_flying += piece.nr_pages;
	foreseen_issued(supply->options.foreseen, piece);
	landing_queue(supply->pump, flight);
}

static bool has_room(const struct supply *supply)
{
	bool near = prefetch_is_near(supply->pump->stats.least_ns);

	if (knows(supply))
		return supply->nr_busy < (near ? KNOWN_SLOTS : KNOWN_SLOTS_FAR);
	return supply->nr_busy < SLOTS &&
	       supply->nr_issued + SLOT_PAGES <= SUPPLY_PAGES;
}

/* Ask for what of supply->next is not here, nor under way, nor stashed, as far
 * as there is room. */
static void start_next(struct supply *supply)
{
	struct prefetch_run *run = &supply->next;

	while (run->nr_pages && has_room(supply)) {
		uint64_t end = run->first_page + run->nr_pages;
		struct prefetch_run piece =
			wanted_cut(&supply->pump->table, supply->options.here,
				   run, SLOT_PAGES);
		bool is_stashed;

		wanted_stashed(supply->options.stash, &piece, run, end,
			       &is_stashed);
		if (piece.nr_pages && !is_stashed)
			start_slot(supply, piece);
	}
}

/*
 * What was measured may have been slow by chance: a faster read later ends the
 * stream.
 */
static bool is_far(const struct supply *supply)
{
	const struct pump *pump = supply->pump;
	uint64_t from_ns = supply->options.from_ns;

	if (knows(supply))
		return true;
	if (!pump->options.nil_ns && timing_total(&pump->stats.read_took) < 2)
		return false;
	return from_ns && pump->stats.least_ns >= from_ns;
}

/* What keeps the link busy: more would only be in the way of demand. */
static uint64_t window(const struct supply *supply)
{
	uint64_t pages = prefetch_reach(supply->pump->stats.least_ns,
					PREFETCH_PAGES_MAX) /
			 2;

	return knows(supply) && pages < KNOWN_WINDOW_PAGES ? KNOWN_WINDOW_PAGES
							   : pages;
}

static void feed(struct supply *supply)
{
	uint64_t nr_issued = supply->nr_issued;
	unsigned nr_runs = 0;

	if (supply->is_ending || supply->pump->broken || !is_far(supply))
		return;
	supply->is_dry = false;
	while (supply->nr_flying < window(supply) && has_room(supply)) {
		if (nr_runs++ == FEED_RUNS_MAX) {
			supply->is_woken = true;
			break;
		}
		if (!supply->next.nr_pages)
			supply->next = likely_next(supply->likely, SLOT_PAGES);
		supply->is_dry = !supply->next.nr_pages;
		if (supply->is_dry)
			break;
		start_next(supply);
	}
	if (supply->nr_issued == nr_issued)
		return;
	pump_flush(supply->pump);
	pump_elect(supply->pump);
}

/*
 * Nothing is under way.  Another stream would bring what nobody wanted, and
 * what was wanted is in the kernel's page cache.
 */
static void drop_all(struct supply *supply)
{
	for (unsigned i = 0; i < supply->nr_slots; i++) {
		struct slot *slot = &supply->slots[i];

		if (!slot->busy)
			continue;
		forget_unused(supply, slot, false);
		landing_retire(supply->pump, &slot->flight);
	}
	(void)munmap(supply->pool, POOL_BYTES);
	free(supply->slots);
	likely_free(supply->likely);
	supply->pool = NULL;
	supply->slots = NULL;
	supply->likely = NULL;
	supply->nr_slots = supply->nr_busy = supply->nr_spent = 0;
	supply->nr_issued = 0;
	supply->next.nr_pages = 0;
	supply->is_ending = false;
	supply->is_over = true;
}

/* ---- the thread ---- */

/* A place for what comes, and what that is.  Lets the lock go meanwhile: there
 * are images with very many areas. */
static int make_room(struct supply *supply)
{
	struct likely *likely = NULL;
	struct slot *slots;
	char *pool;

	(void)pthread_mutex_unlock(&supply->pump->lock);
	pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	slots = calloc(SLOTS, sizeof(*slots));
	(void)likely_new(supply->options.image, supply->options.known, &likely);
	(void)pthread_mutex_lock(&supply->pump->lock);
	if (pool == MAP_FAILED || !slots || !likely) {
		if (pool != MAP_FAILED)
			(void)munmap(pool, POOL_BYTES);
		free(slots);
		likely_free(likely);
		return -ENOMEM;
	}
	supply->pool = pool;
	supply->slots = slots;
	supply->likely = likely;
	return 0;
}

/* What is known is for a user who is still to come, too. */
static bool is_wanted(const struct supply *supply)
{
	return supply->nr_users > 0 || (knows(supply) && !supply->had_user);
}

static void work(struct supply *supply)
{
	settle(supply);
	if (supply->is_called && !supply->likely && !supply->is_closing)
		supply->is_over = make_room(supply) != 0;
	supply->is_called = false;
	if (!supply->likely)
		return;
	supply->is_ending |= !is_wanted(supply) || supply->is_closing;
	if (has_spent(supply))
		retire_spent(supply);
	feed(supply);
	if (supply->is_ending && !supply->nr_flying)
		drop_all(supply);
}

static void *supply_main(void *arg)
{
	struct supply *supply = arg;
	struct pump *pump = supply->pump;

	(void)pthread_mutex_lock(&pump->lock);
	for (;;) {
		supply->waiter.ready = supply->is_woken = false;
		work(supply);
		if (supply->is_closing && !supply->likely)
			break;
		if (supply->nr_flying) {
			pump_watch(pump, &supply->waiter);
			continue;
		}
		if (supply->is_woken) { /* while the lock was let go */
			(void)pthread_mutex_unlock(&pump->lock);
			(void)pthread_mutex_lock(&pump->lock);
			continue;
		}
		supply->is_idle = true;
		(void)pthread_cond_wait(&supply->waiter.wake, &pump->lock);
		supply->is_idle = false;
	}
	(void)pthread_mutex_unlock(&pump->lock);
	return NULL;
}

/* ---- the beginning ---- */

static int start_thread(struct supply *supply)
{
	int err = pump_enable_watch(supply->pump);

	if (!err)
		err = quietthread_start(&supply->thread, supply_main, supply);
	supply->has_thread = !err;
	return err;
}

/* Begin, if that is wanted and the link is known to be worth it. */
static void consider(struct supply *supply)
{
	if (!is_wanted(supply) || supply->likely || supply->is_over ||
	    !is_far(supply))
		return;
	if (!supply->has_thread)
		supply->is_over = start_thread(supply) != 0;
	supply->is_called = true;
	wake(supply);
}

void supply_begin(struct supply *supply)
{
	supply->nr_users++;
	supply->had_user = true;
	consider(supply);
}

void supply_foresee(struct supply *supply)
{
	if (knows(supply))
		consider(supply);
}

void supply_end(struct supply *supply)
{
	if (--supply->nr_users > 0)
		return;
	supply->is_ending = supply->likely != NULL;
	wake(supply);
}

void supply_touched(struct supply *supply, struct prefetch_run demand)
{
	consider(supply);
	if (!supply->likely || supply->is_ending)
		return;
	likely_touched(supply->likely, demand);
	wake(supply);
}

/* NULL: it is not one of ours. */
static struct slot *slot_of(struct supply *supply, const struct flight *flight)
{
	size_t at = (uintptr_t)flight - (uintptr_t)supply->slots;

	return at < supply->nr_slots * sizeof(*supply->slots)
		       ? (struct slot *)flight
		       : NULL;
}

/* A tool's read leaves the pages to the fault that they are for. */
void supply_joined(struct supply *supply, const struct flight *flight,
		   struct prefetch_run run, bool is_fault)
{
	struct slot *slot = slot_of(supply, flight);
	uint64_t bits;

	if (!slot || !is_fault)
		return;
	/* At once: out of its slot and not here yet, it would come again. */
	(void)pageset_add(supply->options.here, run);
	bits = UINT64_MAX >>
	       (64 - run.nr_pages) << (run.first_page - page_of(flight->raddr));
	supply->stats.used_pages +=
		(uint64_t)__builtin_popcountll(bits & ~slot->used);
	slot->used |= bits;
	if (supply->last_used < slot->at)
		supply->last_used = slot->at;
	supply->nr_spent += slot->used == all_used(slot);
	if (has_spent(supply))
		wake(supply);
}

void supply_get_stats(const struct supply *supply,
		      struct supply_stats *ret_stats)
{
	*ret_stats = supply->stats;
}

/* ---- life ---- */

int supply_open(struct pump *pump, const struct supply_options *options,
		struct supply **ret)
{
	struct supply *supply = calloc(1, sizeof(*supply));

	if (!supply)
		return -ENOMEM;
	supply->pump = pump;
	supply->options = *options;
	waiter_init(&supply->waiter);
	supply->waiter.any = true;
	*ret = supply;
	return 0;
}

void supply_close(struct supply *supply)
{
	if (!supply)
		return;
	(void)pthread_mutex_lock(&supply->pump->lock);
	supply->is_closing = true;
	wake(supply);
	(void)pthread_mutex_unlock(&supply->pump->lock);
	if (supply->has_thread)
		(void)pthread_join(supply->thread, NULL);
	waiter_done(&supply->waiter);
	free(supply);
}
