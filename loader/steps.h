/* SPDX-License-Identifier: MIT */
/*
 * steps.h - a growing list of blob steps and the data they point at
 *
 * Every step remembers what it is about, so that its failure in the blob, which
 * has no words, can be told by the supervisor.  The first error sticks: callers
 * add freely and look at steps->error once, at the end.  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "loader/blob/blob.h"

enum steps_topic {
	STEPS_OWN_MAPS, /* clearing the loader's own address space */
	STEPS_VDSO,
	STEPS_VMA, /* index: of image->vmas */
	STEPS_MM,
	STEPS_SIGACTION, /* index: signal number */
	STEPS_THREAD,	 /* index: of image->threads */
	STEPS_TIMER,	 /* index: of image->timers */
	STEPS_ITIMER,	 /* index: of image->itimers */
	STEPS_PENDING,	 /* index: of image->pending */
	STEPS_CREDENTIALS,
	STEPS_SEALS,
	STEPS_PROCESS, /* personality and other words of the process */
};

struct steps_note {
	enum steps_topic topic;
	uint32_t index;
};

struct steps {
	int error; /* 0 or -ENOMEM */
	struct blob_step *list;
	struct steps_note *notes; /* one for each step */
	uint32_t nr, max;
	uint8_t *data;
	size_t data_bytes, data_max;
	uint64_t data_addr; /* where the data will lie in the child */
	struct steps_note now;
};

/* An empty list whose data will lie at @data_addr (page aligned). */
void steps_init(struct steps *steps, uint64_t data_addr);

/* What the following steps are about. */
void steps_about(struct steps *steps, enum steps_topic topic, uint32_t index);

/* Append a copy of @step; returns its index. */
uint32_t steps_add(struct steps *steps, const struct blob_step *step);

/*
 * Append a copy of @len bytes, 16-byte aligned; returns the child's address, or
 * 0 when there are none.
 */
uint64_t steps_data(struct steps *steps, const void *bytes, size_t len);

void steps_done(struct steps *steps);

/* A call whose result must be zero, with up to six arguments. */
#define steps_call(steps, number, ...)                                         \
	steps_add(steps,                                                       \
		  &(struct blob_step){.nr = (number), .args = {__VA_ARGS__}})

/* A call whose result does not matter. */
#define steps_try(steps, number, ...)                                          \
	steps_add(steps, &(struct blob_step){.nr = (number),                   \
					     .check = BLOB_ANY,                \
					     .args = {__VA_ARGS__}})

/*
 * Pages about to be written get there in one call: a fault for each costs more.
 * A kernel before 5.14 does not know the advice.
 */
#define steps_populate(steps, addr, bytes)                                     \
	steps_try(steps, SYS_madvise, (addr), (bytes), MADV_POPULATE_WRITE)

/* A call whose result must be its first argument. */
#define steps_fixed(steps, number, ...)                                        \
	steps_add(steps, &(struct blob_step){.nr = (number),                   \
					     .check = BLOB_SAME,               \
					     .args = {__VA_ARGS__}})
