/* SPDX-License-Identifier: MIT */
#include "rdmafetch/sieve.h"

#include <errno.h>
#include <stdlib.h>

#define NONE	  UINT32_MAX
#define STAY_EACH 16u /* of those that come for others */

struct thing {
	uint32_t newer, older;
	uint16_t nr_holds;
	bool is_in, is_used, is_stale;
};

struct sieve {
	uint32_t newest, oldest, hand, nr_in;
	uint32_t nr_gone; /* that were worth it, and none came for them yet */
	uint32_t nr_exchanged;
	struct thing things[];
};

int sieve_new(uint32_t nr, struct sieve **ret)
{
	/* calloc: what is never touched of it costs no memory. */
	struct sieve *sieve =
		calloc(1, sizeof(*sieve) + nr * sizeof(struct thing));

	if (!sieve)
		return -ENOMEM;
	sieve->newest = sieve->oldest = sieve->hand = NONE;
	*ret = sieve;
	return 0;
}

void sieve_free(struct sieve *sieve)
{
	free(sieve);
}

/* Put @thing in on the old side of @newer; NONE: at the new end. */
static void put_in(struct sieve *sieve, uint32_t thing, uint32_t newer)
{
	struct thing *at = &sieve->things[thing];
	uint32_t *from_newer =
		newer == NONE ? &sieve->newest : &sieve->things[newer].older;
	uint32_t older = *from_newer;
	uint32_t *from_older =
		older == NONE ? &sieve->oldest : &sieve->things[older].newer;

	at->newer = newer;
	at->older = older;
	*from_newer = thing;
	*from_older = thing;
	at->is_in = true;
	at->is_used = at->is_stale = false;
	sieve->nr_in++;
}

void sieve_enter(struct sieve *sieve, uint32_t thing)
{
	bool stays = true;

	if (sieve->nr_gone) {
		sieve->nr_gone--;
		stays = sieve->nr_exchanged++ % STAY_EACH == STAY_EACH - 1;
	}
	if (stays) {
		put_in(sieve, thing, NONE);
		return;
	}
	put_in(sieve, thing, sieve->hand != NONE ? sieve->hand : sieve->oldest);
	sieve->hand = thing;
}

void sieve_enter_stale(struct sieve *sieve, uint32_t thing)
{
	put_in(sieve, thing, NONE);
	sieve->things[thing].is_stale = true;
}

bool sieve_has(const struct sieve *sieve, uint32_t thing)
{
	return sieve->things[thing].is_in;
}

void sieve_use(struct sieve *sieve, uint32_t thing)
{
	sieve->things[thing].is_used = true;
	sieve->things[thing].is_stale = false;
}

void sieve_hold(struct sieve *sieve, uint32_t thing)
{
	sieve->things[thing].nr_holds++;
}

void sieve_release(struct sieve *sieve, uint32_t thing)
{
	sieve->things[thing].nr_holds--;
}

static void take_out(struct sieve *sieve, uint32_t thing)
{
	struct thing *at = &sieve->things[thing];

	if (at->newer != NONE)
		sieve->things[at->newer].older = at->older;
	else
		sieve->newest = at->older;
	if (at->older != NONE)
		sieve->things[at->older].newer = at->newer;
	else
		sieve->oldest = at->newer;
	sieve->hand = at->newer;
	sieve->nr_gone += !at->is_stale;
	at->is_in = false;
	sieve->nr_in--;
}

bool sieve_evict(struct sieve *sieve, uint32_t *ret_thing)
{
	uint32_t held = NONE; /* the first one: the hand stays there */

	/* Twice around: the first time wipes the marks. */
	for (uint64_t i = 0; i < 2ull * sieve->nr_in; i++) {
		uint32_t thing =
			sieve->hand != NONE ? sieve->hand : sieve->oldest;
		struct thing *at = &sieve->things[thing];

		if (!at->nr_holds && !at->is_used) {
			take_out(sieve, thing);
			if (held != NONE)
				sieve->hand = held;
			*ret_thing = thing;
			return true;
		}
		if (!at->nr_holds)
			at->is_used = false;
		else if (held == NONE)
			held = thing;
		sieve->hand = at->newer;
	}
	return false;
}
