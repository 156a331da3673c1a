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

/* Of used pages, before the thread is woken to give them back. */
#define SPENT_PAGES 1024u

_Static_assert(SLOT_PAGES <= 64, "slot.used has a bit for each page");
_Static_assert(SLOTS <= INFLIGHT_MAX / 2, "who is not in it is fetched twice");

struct slot {
	struct flight flight; /* first: see slot_of() */
	uint64_t used;	      /* a bit for each page that a fault took */
	bool busy, is_settled;
};

/*
 * Slots are used once, and so is their memory: the n-th page that is asked for
 * lies at the n-th place.
 */
struct supply {
	struct pump *pump;
	struct supply_options options;
	struct supply_stats stats;
	struct likely *likely; /* NULL: nothing is brought now */
	struct slot *slots;
	unsigned nr_slots, nr_settled; /* those before it are settled */
	char *pool;
	uint64_t nr_issued, nr_flying, nr_spent; /* pages */
	struct waiter waiter;
	pthread_t thread;
	int nr_users;
	bool is_called, is_ending, is_closing;
	bool has_thread, is_over, is_idle;
	bool is_woken; /* since the thread has begun to look */
};

static uint64_t pages_of(const struct slot *slot)
{
	return slot->flight.len_bytes >> PAGE_SHIFT;
}

static uint64_t all_used(const struct slot *slot)
{
	return UINT64_MAX >> (64 - pages_of(slot));
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
		forget_unused(supply, slot, true);
		slot->busy = false;
		return;
	}
	supply->stats.reads++;
	supply->stats.pages += pages_of(slot);
}

static void settle(struct supply *supply)
{
	unsigned at = supply->nr_settled;

	for (unsigned i = at; i < supply->nr_slots; i++) {
		struct slot *slot = &supply->slots[i];

		if (!slot->is_settled && slot->flight.delivered)
			settle_slot(supply, slot);
	}
	while (at < supply->nr_slots && supply->slots[at].is_settled)
		at++;
	supply->nr_settled = at;
}

/* Take @slot out of everybody's reach and give its memory back.  Lets the lock
 * go meanwhile. */
static void retire(struct supply *supply, struct slot *slot)
{
	landing_retire(supply->pump, &slot->flight);
	slot->busy = false;
	(void)pthread_mutex_unlock(&supply->pump->lock);
	(void)madvise(slot->flight.buf, slot->flight.len_bytes, MADV_DONTNEED);
	(void)pthread_mutex_lock(&supply->pump->lock);
}

static void retire_used(struct supply *supply)
{
	supply->nr_spent = 0;
	for (unsigned i = 0; i < supply->nr_slots; i++) {
		struct slot *slot = &supply->slots[i];

		if (!slot->busy || !slot->is_settled ||
		    slot->used != all_used(slot))
			continue;
		if (slot->flight.pins)
			supply->nr_spent += pages_of(slot);
		else
			retire(supply, slot);
	}
}

/* ---- the stream ---- */

static void start_slot(struct supply *supply, struct prefetch_run piece)
{
	struct slot *slot = &supply->slots[supply->nr_slots++];
	struct flight *flight = &slot->flight;

	slot->busy = true;
	flight->waiter = &supply->waiter;
	flight->object = SOURCE_MEMORY;
	flight->raddr = piece.first_page << PAGE_SHIFT;
	flight->len_bytes = (uint32_t)(piece.nr_pages << PAGE_SHIFT);
	flight->buf = supply->pool + supply->nr_issued * PAGE_BYTES;
	flight->kept = true;
	supply->nr_issued += piece.nr_pages;
	supply->nr_flying += piece.nr_pages;
	foreseen_issued(supply->options.foreseen, piece);
	landing_queue(supply->pump, flight);
}

static bool has_room(const struct supply *supply)
{
	return supply->nr_slots < SLOTS &&
	       supply->nr_issued + SLOT_PAGES <= SUPPLY_PAGES;
}

/* Ask for what of @run is not here, nor under way, nor stashed. */
static void start_run(struct supply *supply, struct prefetch_run run)
{
	while (run.nr_pages && has_room(supply)) {
		uint64_t end = run.first_page + run.nr_pages;
		struct prefetch_run piece =
			wanted_cut(&supply->pump->table, supply->options.here,
				   &run, SLOT_PAGES);
		bool is_stashed;

		wanted_stashed(supply->options.stash, &piece, &run, end,
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

	if (!pump->options.nil_ns && timing_total(&pump->stats.read_took) < 2)
		return false;
	return from_ns && pump->stats.least_ns >= from_ns;
}

/* What keeps the link busy: more would only be in the way of demand. */
static uint64_t window(const struct supply *supply)
{
	return prefetch_reach(supply->pump->stats.least_ns,
			      PREFETCH_PAGES_MAX) /
	       2;
}

static void feed(struct supply *supply)
{
	uint64_t nr_issued = supply->nr_issued;

	if (supply->is_ending || supply->pump->broken || !is_far(supply))
		return;
	while (supply->nr_flying < window(supply) && has_room(supply)) {
		struct prefetch_run run =
			likely_next(supply->likely, SLOT_PAGES);

		if (!run.nr_pages)
			break;
		start_run(supply, run);
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
	(void)munmap(supply->pool, SUPPLY_PAGES * PAGE_BYTES);
	free(supply->slots);
	likely_free(supply->likely);
	supply->pool = NULL;
	supply->slots = NULL;
	supply->likely = NULL;
	supply->nr_slots = supply->nr_settled = 0;
	supply->nr_issued = supply->nr_spent = 0;
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
	pool = mmap(NULL, SUPPLY_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	slots = calloc(SLOTS, sizeof(*slots));
	(void)likely_new(supply->options.image, &likely);
	(void)pthread_mutex_lock(&supply->pump->lock);
	if (pool == MAP_FAILED || !slots || !likely) {
		if (pool != MAP_FAILED)
			(void)munmap(pool, SUPPLY_PAGES * PAGE_BYTES);
		free(slots);
		likely_free(likely);
		return -ENOMEM;
	}
	supply->pool = pool;
	supply->slots = slots;
	supply->likely = likely;
	return 0;
}

static void work(struct supply *supply)
{
	settle(supply);
	if (supply->is_called && !supply->likely && !supply->is_closing)
		supply->is_over = make_room(supply) != 0;
	supply->is_called = false;
	if (!supply->likely)
		return;
	supply->is_ending |= supply->nr_users <= 0 || supply->is_closing;
	if (supply->nr_spent >= SPENT_PAGES)
		retire_used(supply);
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
		if (supply->is_woken) /* while the lock was let go */
			continue;
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
	if (supply->nr_users <= 0 || supply->likely || supply->is_over ||
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
	if (slot->used != all_used(slot))
		return;
	supply->nr_spent += pages_of(slot);
	if (supply->nr_spent >= SPENT_PAGES)
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
