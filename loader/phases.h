/* SPDX-License-Identifier: MIT */
/*
 * phases.h - when each phase of a load was over, for mitosis-load -vv
 *
 * One page that the supervisor, init and the child share; of several children
 * the first to come counts.  Without phases_begin() nothing is done.
 */
#pragma once

#include <stdint.h>

enum phase {
	PHASE_BEGUN,   /* init has been cloned */
	PHASE_WORLD,   /* its namespaces are made, and the guard */
	PHASE_READ,    /* the image's descriptor is decoded */
	PHASE_CHECKED, /* this host can run it */
	PHASE_PLANNED,
	PHASE_GO,    /* init was told to clone the child */
	PHASE_CHILD, /* the child's first instruction */
	PHASE_FILES, /* its descriptors are there */
	PHASE_RUNNING,
	PHASES,
};

/* Count from @began_ns (CLOCK_MONOTONIC).  Before the first other process. */
void phases_begin(uint64_t began_ns);

/* @phase is over.  No libc state: loader/reaper.c calls it. */
void phases_mark(enum phase phase);

/* The name of @phase, and microseconds from the beginning, or 0. */
const char *phases_name(enum phase phase);
uint64_t phases_us(enum phase phase);
