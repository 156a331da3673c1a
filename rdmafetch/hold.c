/* SPDX-License-Identifier: MIT */
#include "rdmafetch/hold.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/page.h"
#include "common/quietthread.h"
#include "common/source.h"
#include "rdmafetch/buffers.h"
#include "rdmafetch/landing.h"
#include "rdmafetch/lately.h"
#include "rdmafetch/streams.h"
#include "rdmafetch/wanted.h"

#define SLOT_PAGES 64u
#define SLOTS	   256u
#define FLYING_MAX 1024u /* pages: a demand read waits behind them */

_Static_assert(SLOT_PAGES <= 64, "slot.used has a bit for each page");

struct slot {
	struct flight flight; /* first: see slot_of() */
	uint64_t place;	      /* its first page in the pool */
	uint64_t used;	      /* a bit for each page that was asked for */
	bool busy;	      /* else used up, or failed */
	bool is_settled;      /* its end was looked at */
};

/*
 * Slots are a ring in the order of their beginnings.  Their places in the pool
 * are the first that are free: memory that is touched for the first time costs
 * a page fault for each page, more than bringing it does, and little memory
 * that is used again and again stays in the CPU's caches.
 */
struct hold {
	struct pump *pump;
	struct hold_options options;
	struct streams faults, reads; /* a file's reads are not its faults */
	struct lately *lately;
	struct prefetch_luck luck;
	struct slot slots[SLOTS];
	uint64_t first_slot, next_slot;
	uint64_t *taken; /* a bit for each page of the pool */
	char *pool;	 /* NULL before the first suggestion */
	struct waiter waiter;
	pthread_t thread;
	uint64_t nr_flying, nr_reads, nr_pages; /* flying: pages */
	bool has_thread, is_useless, is_idle, is_closing;
};

static struct slot *slot_at(struct hold *hold, uint64_t number)
{
	return &hold->slots[number % SLOTS];
}

static uint64_t pages_of(const struct slot *slot)
{
	return slot->flight.len_bytes >> PAGE_SHIFT;
}

static struct prefetch_run run_of(const struct slot *slot)
{
	struct prefetch_run run = {page_of(slot->flight.raddr), pages_of(slot)};

	return run;
}

static size_t pool_bytes(const struct hold *hold)
{
	return hold->options.pool_pages * PAGE_BYTES;
}

/* ---- places ---- */

static void mark_place(struct hold *hold, uint64_t place, uint64_t nr_pages,
		       bool is_taken)
{
	for (uint64_t page = place; page < place + nr_pages; page++)
		if (is_taken)
			hold->taken[page / 64] |= 1ull << page % 64;
		else
			hold->taken[page / 64] &= ~(1ull << page % 64);
}

/* The first place of @nr_pages that is free.  False: there is none. */
static bool find_place(const struct hold *hold, uint64_t nr_pages,
		       uint64_t *ret_place)
{
	uint64_t nr_free = 0;

	for (uint64_t page = 0; page < hold->options.pool_pages; page++) {
		bool is_taken = hold->taken[page / 64] >> page % 64 & 1;

		nr_free = is_taken ? 0 : nr_free + 1;
		if (nr_free < nr_pages)
			continue;
		*ret_place = page + 1 - nr_pages;
		return true;
	}
	return false;
}

/* ---- the end of a slot ---- */

static uint64_t all_used(const struct slot *slot)
{
	return UINT64_MAX >> (64 - pages_of(slot));
}

/* The next run of pages from @from on that nobody asked for; nr_pages 0: none.
 */
static struct prefetch_run unused_after(const struct slot *slot, uint64_t from)
{
	struct prefetch_run all = run_of(slot), run;
	uint64_t end = all.nr_pages;

	while (from < end && slot->used >> from & 1)
		from++;
	run.first_page = all.first_page + from;
	run.nr_pages = 0;
	while (from < end && !(slot->used >> from & 1)) {
		run.nr_pages++;
		from++;
	}
	return run;
}

/* What was not asked for is not here any more, for the reason @lost or not. */
static void forget_unused(struct hold *hold, const struct slot *slot, bool lost)
{
	const struct hold_options *options = &hold->options;
	uint64_t first = page_of(slot->flight.raddr), from = 0;
	struct prefetch_run run;

	while ((run = unused_after(slot, from)).nr_pages) {
		if (lost)
			foreseen_lost(options->foreseen, run);
		else
			foreseen_dropped(options->foreseen, run);
		prefetch_luck_dropped(&hold->luck, run.nr_pages);
		from = run.first_page - first + run.nr_pages;
	}
}

/* Its place is another's from now on. */
static void end_slot(struct hold *hold, struct slot *slot)
{
	slot->busy = false;
	mark_place(hold, slot->place, pages_of(slot), false);
}

/* Note how a flight ended that did, and whether its pages are used up. */
static void settle_slot(struct hold *hold, struct slot *slot)
{
	if (!slot->busy || !slot->flight.delivered)
		return;
	if (!slot->is_settled) {
		slot->is_settled = true;
		hold->nr_flying -= pages_of(slot);
		if (slot->flight.result) {
			forget_unused(hold, slot, true);
			end_slot(hold, slot);
			return;
		}
		hold->nr_reads++;
		hold->nr_pages += pages_of(slot);
	}
	if (slot->used == all_used(slot) && !slot->flight.pins) {
		landing_retire(hold->pump, &slot->flight);
		end_slot(hold, slot);
	}
}

static void settle(struct hold *hold)
{
	for (uint64_t i = hold->first_slot; i != hold->next_slot; i++)
		settle_slot(hold, slot_at(hold, i));
}

/* Let the oldest slot give way.  False: it is under way, or being copied. */
static bool drop_oldest(struct hold *hold)
{
	struct slot *slot = slot_at(hold, hold->first_slot);

	settle_slot(hold, slot);
	if (slot->busy && (!slot->is_settled || slot->flight.pins))
		return false;
	if (slot->busy) {
		forget_unused(hold, slot, false);
		landing_retire(hold->pump, &slot->flight);
		end_slot(hold, slot);
	}
	hold->first_slot++;
	return true;
}

/* ---- the beginning ---- */

/* A slot with a place of @nr_pages, or NULL: those before it are in use. */
static struct slot *new_slot(struct hold *hold, uint64_t nr_pages)
{
	struct slot *slot;
	uint64_t place;

	while (hold->next_slot - hold->first_slot == SLOTS ||
	       !find_place(hold, nr_pages, &place))
		if (!drop_oldest(hold))
			return NULL;
	mark_place(hold, place, nr_pages, true);
	slot = slot_at(hold, hold->next_slot++);
	slot->place = place;
	return slot;
}

static void start_slot(struct hold *hold, struct slot *slot,
		       struct prefetch_run piece)
{
	struct flight *flight = &slot->flight;

	slot->busy = true;
	slot->is_settled = false;
	slot->used = 0;
	hold->nr_flying += piece.nr_pages;
	flight->waiter = &hold->waiter;
	flight->object = SOURCE_MEMORY;
	flight->raddr = piece.first_page << PAGE_SHIFT;
	flight->len_bytes = (uint32_t)(piece.nr_pages << PAGE_SHIFT);
	flight->buf = hold->pool + slot->place * PAGE_BYTES;
	flight->kept = true;
	foreseen_issued(hold->options.foreseen, piece);
	landing_queue(hold->pump, flight);
}

/* Of @run, what is not in @known. */
static void start_run(struct hold *hold, struct prefetch_run run,
		      const struct pageset *known)
{
	uint64_t most = hold->options.pool_pages;

	if (most > SLOT_PAGES)
		most = SLOT_PAGES;
	while (run.nr_pages && hold->nr_flying < FLYING_MAX) {
		uint64_t end = run.first_page + run.nr_pages;
		struct prefetch_run piece =
			wanted_cut(&hold->pump->table, known, &run, most);
		struct slot *slot = NULL;
		bool is_stashed;

		wanted_stashed(hold->options.stash, &piece, &run, end,
			       &is_stashed);
		if (is_stashed)
			continue;
		if (piece.nr_pages)
			slot = new_slot(hold, piece.nr_pages);
		if (!slot)
			return;
		start_slot(hold, slot, piece);
	}
}

/* ---- the thread ---- */

/*
 * Bring what is on its way.  Who waits for a page reaps before this thread
 * does, and lands what was foreseen as well.
 */
static void *hold_main(void *arg)
{
	struct hold *hold = arg;

	(void)pthread_mutex_lock(&hold->pump->lock);
	for (;;) {
		hold->waiter.ready = false;
		settle(hold);
		if (hold->is_closing && !hold->nr_flying)
			break;
		if (hold->nr_flying) {
			pump_watch(hold->pump, &hold->waiter);
			continue;
		}
		hold->is_idle = true;
		(void)pthread_cond_wait(&hold->waiter.wake, &hold->pump->lock);
		hold->is_idle = false;
	}
	(void)pthread_mutex_unlock(&hold->pump->lock);
	return NULL;
}

static int start_thread(struct hold *hold)
{
	int err = quietthread_start(&hold->thread, hold_main, hold);

	hold->has_thread = !err;
	return err;
}

/* Lets the lock go meanwhile, with is_useless set: it is done once. */
static int start(struct hold *hold)
{
	char *pool = mmap(NULL, pool_bytes(hold), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	hold->is_useless = true;
	if (pool == MAP_FAILED)
		return -errno;
	hold->pool = pool;
	buffers_add(hold->pump, pool, pool_bytes(hold));
	err = pump_enable_watch(hold->pump);
	if (!err)
		err = start_thread(hold);
	hold->is_useless = err != 0;
	return err;
}

/* ---- demand ---- */

/*
 * A stream ends with its area: what is behind it is another thing, and if it is
 * read at all then seldom next.
 */
static void keep_inside(struct prefetch_plan *plan, const struct image_vma *vma)
{
	uint64_t first = vma ? page_of(vma->start) : 0;
	uint64_t end = vma ? page_of(vma->end) : UINT64_MAX;

	for (unsigned i = 0; i < plan->nr; i++) {
		struct prefetch_run *run = &plan->runs[i];

		if (run->first_page >= end || run->first_page < first)
			run->nr_pages = 0;
		else if (run->nr_pages > end - run->first_page)
			run->nr_pages = end - run->first_page;
	}
}

/* More than a link of that latency can use only delays what is waited for. */
static uint32_t reach(const struct hold *hold)
{
	return prefetch_reach(hold->pump->stats.least_ns,
			      hold->options.max_pages);
}

/* Ask the policy for a @plan. */
static void ask(struct hold *hold, struct prefetch_run demand, bool is_fault,
		bool is_expected, struct prefetch_plan *plan)
{
	const struct image_vma *vma = image_vma_at(
		hold->options.image, demand.first_page << PAGE_SHIFT);
	const struct prefetch_policy *policy =
		prefetch_for(hold->options.policy, vma ? vma->flags : 0);
	struct prefetch_state *stream =
		streams_find(is_fault ? &hold->faults : &hold->reads,
			     demand.first_page, policy);

	if (is_fault) {
		foreseen_passed(hold->options.foreseen,
				prefetch_passed(stream, demand));
		foreseen_again(hold->options.foreseen, demand);
	}
	stream->is_doubtful = prefetch_luck_is_bad(&hold->luck);
	stream->is_reader = !is_fault;
	stream->is_near =
		is_expected || prefetch_is_near(hold->pump->stats.least_ns);
	policy->next(stream, demand, reach(hold), plan);
	keep_inside(plan, vma);
	/* What was not asked for is not ahead. */
	if (vma && stream->ahead_page > page_of(vma->end))
		stream->ahead_page = page_of(vma->end);
	stream->last = demand;
}

void hold_demanded(struct hold *hold, struct prefetch_run demand, bool is_fault,
		   bool is_expected)
{
	const struct pageset *known = hold->options.here;
	struct prefetch_plan plan;

	if (hold->is_closing)
		return;
	ask(hold, demand, is_fault, is_expected, &plan);
	if (!is_fault) {
		lately_given(hold->lately, demand);
		known = lately_pages(hold->lately);
	}
	if (!plan.nr || hold->is_useless || hold->pump->broken)
		return;
	if (!hold->has_thread && start(hold))
		return;
	settle(hold);
	for (unsigned i = 0; i < plan.nr; i++)
		start_run(hold, plan.runs[i], known);
	if (hold->is_idle)
		(void)pthread_cond_signal(&hold->waiter.wake);
}

/* NULL: it is not one of ours. */
static struct slot *slot_of(struct hold *hold, const struct flight *flight)
{
	size_t at = (uintptr_t)flight - (uintptr_t)hold->slots;

	return at < sizeof(hold->slots) ? (struct slot *)flight : NULL;
}

void hold_joined(struct hold *hold, const struct flight *flight,
		 struct prefetch_run run, bool is_fault)
{
	struct slot *slot = slot_of(hold, flight);
	uint64_t bits;

	foreseen_joined(hold->options.foreseen, run);
	if (!slot)
		return;
	/* At once: out of its slot and not here yet, it would come again. */
	if (is_fault)
		(void)pageset_add(hold->options.here, run);
	bits = UINT64_MAX >>
	       (64 - run.nr_pages) << (run.first_page - page_of(flight->raddr));
	prefetch_luck_used(&hold->luck,
			   (unsigned)__builtin_popcountll(bits & ~slot->used));
	slot->used |= bits;
}

void hold_get_stats(const struct hold *hold, uint64_t *ret_reads,
		    uint64_t *ret_pages)
{
	*ret_reads = hold->nr_reads;
	*ret_pages = hold->nr_pages;
}

/* ---- life ---- */

int hold_open(struct pump *pump, const struct hold_options *options,
	      struct hold **ret)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	if (!hold)
		return -ENOMEM;
	hold->pump = pump;
	hold->options = *options;
	if (!hold->options.pool_pages)
		hold->options.pool_pages = HOLD_PAGES;
	hold->taken =
		calloc(hold->options.pool_pages / 64 + 1, sizeof(*hold->taken));
	if (!hold->taken || lately_new(options->image, &hold->lately)) {
		free(hold->taken);
		free(hold);
		return -ENOMEM;
	}
	waiter_init(&hold->waiter);
	hold->waiter.any = true;
	*ret = hold;
	return 0;
}

static void end_thread(struct hold *hold)
{
	if (!hold->has_thread)
		return;
	(void)pthread_mutex_lock(&hold->pump->lock);
	hold->is_closing = true;
	(void)pthread_cond_signal(&hold->waiter.wake);
	(void)pthread_mutex_unlock(&hold->pump->lock);
	(void)pthread_join(hold->thread, NULL);
}

void hold_close(struct hold *hold)
{
	if (!hold)
		return;
	end_thread(hold);
	if (hold->pool) {
		(void)pthread_mutex_lock(&hold->pump->lock);
		buffers_del(hold->pump, hold->pool);
		(void)pthread_mutex_unlock(&hold->pump->lock);
		(void)munmap(hold->pool, pool_bytes(hold));
	}
	waiter_done(&hold->waiter);
	lately_free(hold->lately);
	free(hold->taken);
	free(hold);
}
