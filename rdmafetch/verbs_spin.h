/* SPDX-License-Identifier: MIT */
/*
 * verbs_spin.h - how long to look for a completion before sleeping
 *
 * A short wait is over sooner by looking than by an interrupt and a wake-up; a
 * long one is better slept.  As KVM does for halted guests
 * (Documentation/virt/kvm/halt-polling.rst): a sleep that a longer look would
 * have spared makes the next look longer, a long sleep makes it shorter.
 *
 * How long a wait would have been without the sleep nobody knows: where waking
 * up takes longer than the longest look, every sleep seems to be a long one. So
 * who has come to sleep at once looks for the longest time again now and then.
 * When that pays looks are back; else it has cost a small part of the sleeps.
 *
 * A look takes the CPU from whoever else could use it, and that may be who
 * makes the completion come.  KVM stops looking when another task wants the
 * CPU; here nobody tells, but the clock does: between two looks it jumps when
 * the thread was away from its CPU.  Some looks in a row that found nothing and
 * were away meanwhile are the last for a while, and for twice as long each
 * time.
 *
 * With one CPU nobody else could make the completion come: no look at all.
 *
 *     look = verbs_spin_look()
 *     do { completion? -> verbs_spin_learn() } while (verbs_look_again())
 *     sleep -> verbs_spin_learn()
 *
 * Pure but for verbs_spin_init(), which counts CPUs.  The reaper's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VERBS_SPIN_MAX_NS     100000u
#define VERBS_SPIN_AWAY_NS    25000u /* a jump of the clock: away */
#define VERBS_SPIN_SLEEPS     16u    /* at once, between two looks */
#define VERBS_SPIN_SLEEPS_MAX 1024u  /* the same where looks do harm */
#define VERBS_SPIN_HARMS      3u     /* looks in a row that show it */

enum verbs_completion {
	VERBS_ADAPTIVE,
	VERBS_POLLING, /* never sleep: for measurements */
	VERBS_EVENTS,  /* sleep at once: likewise */
};

struct verbs_spin {
	enum verbs_completion mode;
	uint64_t budget_ns;  /* what was learnt; 0: sleep at once */
	unsigned nr_sleeps;  /* since there is no budget */
	unsigned sleeps_max; /* so many, then a look */
	unsigned nr_harms;   /* in a row: found nothing, and was away */
};

/* One look; CLOCK_MONOTONIC. */
struct verbs_look {
	uint64_t until_ns, last_ns;
	bool was_away;
};

/* How a wait went. */
struct verbs_waited {
	uint64_t ns;
	bool slept;    /* the look was not enough */
	bool was_away; /* during the look */
};

void verbs_spin_init(struct verbs_spin *spin, enum verbs_completion mode);

/* The look before the next sleep: it may last until @until_ns at most. */
struct verbs_look verbs_spin_look(const struct verbs_spin *spin,
				  uint64_t now_ns, uint64_t until_ns);

/* There was nothing.  Whether to look again, at @now_ns. */
bool verbs_look_again(struct verbs_look *look, uint64_t now_ns);

/* A wait ended.  To be told of every wait. */
void verbs_spin_learn(struct verbs_spin *spin,
		      const struct verbs_waited *waited);
