/* SPDX-License-Identifier: MIT */
/*
 * sieve.h - which of the things that are kept is to go: a pure policy
 *
 * SIEVE (Zhang et al., NSDI '24).  What comes in enters at the new end; what is
 * used gets a mark and stays where it is.  A hand goes from the old end to the
 * new one: a mark is wiped off, and the first thing without one goes.
 *
 *     new [ d ]-[ c* ]-[ b ]-[ a* ] old        * used
 *                        ^hand: b goes
 *
 * And bimodal insertion (Qureshi et al., ISCA '07): once it is full, only each
 * 16th thing enters at the new end, and the others under the hand, so that they
 * are the next to go unless they are used.  Who reads more than fits over and
 * over, as each start of a child does, finds what it has read first.
 *
 * A thing may come in as stale, of which it is known that it was of no use for
 * long: it goes first, and what comes for it stays.
 *
 * Things are numbers from 0 on.  Threads: none of its own; the caller locks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sieve;

/* Nothing in it yet of things 0 to @nr - 1.  0 or -ENOMEM. */
int sieve_new(uint32_t nr, struct sieve **ret);

/* NULL is allowed. */
void sieve_free(struct sieve *sieve);

/* @thing, which is not in, comes in. */
void sieve_enter(struct sieve *sieve, uint32_t thing);

/* The same of a stale one: before all others, as it goes before them. */
void sieve_enter_stale(struct sieve *sieve, uint32_t thing);

/* Whether @thing is in. */
bool sieve_has(const struct sieve *sieve, uint32_t thing);

/* @thing, which is in or not, was used. */
void sieve_use(struct sieve *sieve, uint32_t thing);

/* @thing, in or not, cannot go before it is released as often as it was held.
 */
void sieve_hold(struct sieve *sieve, uint32_t thing);
void sieve_release(struct sieve *sieve, uint32_t thing);

/* Choose what is to go and take it out.  False: nothing is in, or all is held.
 */
bool sieve_evict(struct sieve *sieve, uint32_t *ret_thing);
