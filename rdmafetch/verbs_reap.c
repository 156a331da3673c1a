/* SPDX-License-Identifier: MIT */
/*
 * verbs_reap.c - look, then sleep
 */
#include "rdmafetch/verbs_reap.h"

#include <errno.h>
#include <string.h>

#include "common/io.h"
#include "rdmafetch/verbs_done.h"

#define NS_PER_MS     1000000ull
#define WCS	      32
#define LOOK_MAX_NS   10000000ull /* at least so often see if it is over */
#define LAST_WORDS_NS 20000000ull

/* ---- take what completed ---- */

/* Poll once and deal with what came.  False: nothing came. */
static bool drain(struct verbs_reaper *reaper)
{
	struct ibv_wc wcs[WCS];
	int nr = ibv_poll_cq(reaper->core.link->cq, WCS, wcs);

	if (!nr)
		return false;
	(void)pthread_mutex_lock(&reaper->lock);
	if (nr < 0)
		reaper->core.is_broken = true;
	for (int i = 0; i < nr; i++)
		verbs_done_take(&reaper->core, &wcs[i]);
	verbs_post_queued(&reaper->core);
	(void)pthread_mutex_unlock(&reaper->lock);
	return true;
}

/* Landed slots that are copied and told; the reaper's until freed. */
static unsigned collect(struct verbs_reaper *reaper,
			struct transport_done *done, unsigned max)
{
	struct verbs_slot *slot = TAILQ_FIRST(&reaper->core.slots.landed);
	unsigned nr = 0;

	for (; slot && nr < max; slot = TAILQ_NEXT(slot, link)) {
		if (slot->is_bounced && !slot->result)
			memcpy(slot->read.buf, slot->target,
			       slot->read.len_bytes);
		done[nr].token = slot->read.token;
		done[nr++].result = slot->result;
	}
	return nr;
}

static void free_landed(struct verbs_core *core, unsigned nr)
{
	while (nr--) {
		struct verbs_slot *slot = TAILQ_FIRST(&core->slots.landed);

		if (slot->is_bounced)
			verbs_buffers_give_back(&core->buffers, slot->target,
						slot->read.len_bytes);
		verbs_slots_free(&core->slots, slot);
	}
}

/* Hand out what landed.  What is freed by that makes room to post. */
static unsigned hand_out(struct verbs_reaper *reaper,
			 struct transport_done *done, unsigned max)
{
	/* Only a reaper lands slots: the list is not changed meanwhile. */
	unsigned nr = collect(reaper, done, max);

	if (!nr)
		return 0;
	(void)pthread_mutex_lock(&reaper->lock);
	free_landed(&reaper->core, nr);
	verbs_post_queued(&reaper->core);
	(void)pthread_mutex_unlock(&reaper->lock);
	return nr;
}

enum state { NOTHING_UNDERWAY, UNDERWAY, BROKEN };

static enum state look(struct verbs_reaper *reaper)
{
	struct verbs_core *core = &reaper->core;
	enum state state = UNDERWAY;

	(void)pthread_mutex_lock(&reaper->lock);
	if (!core->slots.nr_busy)
		state = NOTHING_UNDERWAY;
	else if (core->is_broken || core->link->is_over)
		state = BROKEN;
	(void)pthread_mutex_unlock(&reaper->lock);
	return state;
}

/* May a completion yet say which range was refused? */
static bool is_unexplained(struct verbs_reaper *reaper)
{
	struct verbs_core *core = &reaper->core;
	bool is;

	(void)pthread_mutex_lock(&reaper->lock);
	is = !core->is_broken && core->ring.oldest != core->ring.next;
	(void)pthread_mutex_unlock(&reaper->lock);
	return is;
}

/*
 * A far end whose device refused a READ hangs up, and its goodbye comes by
 * another way than the completion that names the READ: it may be here first.
 */
static void hear_last_words(struct verbs_reaper *reaper)
{
	uint64_t until_ns = io_monotonic_ns() + LAST_WORDS_NS;

	while (is_unexplained(reaper) && io_monotonic_ns() < until_ns)
		if (!drain(reaper))
			__builtin_ia32_pause();
}

/* All that is under way lands with -EIO, once the device cannot write it. */
static void fail_all(struct verbs_reaper *reaper)
{
	hear_last_words(reaper);
	(void)pthread_mutex_lock(&reaper->lock);
	reaper->core.is_broken = true;
	verbs_link_cut(reaper->core.link);
	verbs_slots_land_all(&reaper->core.slots, -EIO);
	(void)pthread_mutex_unlock(&reaper->lock);
}

/* ---- wait ---- */

static int ms_until(uint64_t until_ns)
{
	uint64_t now = io_monotonic_ns(), ms;

	if (until_ns == UINT64_MAX)
		return -1;
	if (now >= until_ns)
		return 0;
	ms = (until_ns - now - 1) / NS_PER_MS + 1;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* Look for a completion as long as it pays.  True: one came. */
static bool look_for(struct verbs_reaper *reaper, uint64_t until_ns,
		     bool *was_away)
{
	uint64_t now_ns = io_monotonic_ns();
	struct verbs_look look;

	if (until_ns > now_ns + LOOK_MAX_NS)
		until_ns = now_ns + LOOK_MAX_NS;
	look = verbs_spin_look(&reaper->spin, now_ns, until_ns);
	do {
		if (drain(reaper))
			return true;
		__builtin_ia32_pause();
	} while (verbs_look_again(&look, io_monotonic_ns()));
	*was_away |= look.was_away;
	return false;
}

/* Arm, look once more, sleep. */
static void sleep_for(struct verbs_reaper *reaper, uint64_t until_ns)
{
	struct verbs_link *link = reaper->core.link;
	bool is_polling = reaper->spin.mode == VERBS_POLLING;

	if (!is_polling)
		verbs_link_arm(link);
	if (!drain(reaper))
		verbs_link_wait(link, is_polling ? 0 : ms_until(until_ns));
}

/* Wait for something to complete.  False: the time is over. */
static bool wait_for(struct verbs_reaper *reaper, uint64_t until_ns)
{
	struct verbs_waited waited = {0};
	uint64_t from_ns = io_monotonic_ns();

	while (!look_for(reaper, until_ns, &waited.was_away)) {
		if (io_monotonic_ns() >= until_ns)
			return false;
		waited.slept = true;
		sleep_for(reaper, until_ns);
		if (reaper->core.link->is_over ||
		    !TAILQ_EMPTY(&reaper->core.slots.landed))
			break;
	}
	waited.ns = io_monotonic_ns() - from_ns;
	verbs_spin_learn(&reaper->spin, &waited);
	return true;
}

/*
 * For who polls fd(): nothing may be in the queue that no event tells of.  Who
 * does not wait is the poller, and takes the old event, which woke it.
 */
static bool settle(struct verbs_reaper *reaper, bool is_poller)
{
	struct verbs_link *link = reaper->core.link;

	if (!atomic_load_explicit(&reaper->is_watched, memory_order_relaxed))
		return true;
	if (is_poller)
		verbs_link_wait(link, 0);
	if (link->is_armed)
		return true;
	verbs_link_arm(link);
	return !drain(reaper);
}

static unsigned reap_some(struct verbs_reaper *reaper,
			  struct transport_done *done, unsigned max,
			  uint64_t until_ns)
{
	unsigned nr;

	(void)drain(reaper);
	while (!(nr = hand_out(reaper, done, max))) {
		enum state state = look(reaper);

		if (state == BROKEN)
			fail_all(reaper);
		else if (state == NOTHING_UNDERWAY)
			return 0;
		else if (!wait_for(reaper, until_ns))
			return 0;
	}
	return nr;
}

int verbs_reap(struct verbs_reaper *reaper, struct transport_done *done,
	       unsigned max, int timeout_ms)
{
	uint64_t until_ns = UINT64_MAX;
	unsigned nr;

	if (timeout_ms >= 0)
		until_ns = io_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	nr = reap_some(reaper, done, max, until_ns);
	while (nr < max && !settle(reaper, !timeout_ms))
		nr += hand_out(reaper, done + nr, max - nr);
	return (int)nr;
}
