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
 * With one CPU nobody else could make the completion come: no look at all.
 *
 * Pure but for verbs_spin_init(), which counts CPUs.  The reaper's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VERBS_SPIN_MAX_NS 100000u
#define VERBS_SPIN_SLEEPS 16u /* at once, between two looks */

enum verbs_completion {
	VERBS_ADAPTIVE,
	VERBS_POLLING, /* never sleep: for measurements */
	VERBS_EVENTS,  /* sleep at once: likewise */
};

struct verbs_spin {
	enum verbs_completion mode;
	uint64_t budget_ns; /* what was learnt; 0: sleep at once */
	unsigned nr_sleeps; /* since there is no budget */
};

void verbs_spin_init(struct verbs_spin *spin, enum verbs_completion mode);

/* How long to look before the next sleep; UINT64_MAX: never sleep. */
uint64_t verbs_spin_budget_ns(const struct verbs_spin *spin);

/* A wait of @waited_ns ended; @slept: the look was not enough.  To be told of
 * every wait. */
void verbs_spin_learn(struct verbs_spin *spin, uint64_t waited_ns, bool slept);
