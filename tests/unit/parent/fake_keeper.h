/* SPDX-License-Identifier: MIT */
/*
 * fake_keeper.h - parent/keeper.h without a process behind it
 *
 * Linked in front of the real one.  What comes of a request is said by its pid.
 * Pages are words that tell their address and the pid.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "parent/keeper.h"

enum fake_pid {
	FAKE_REFUSED = 1, /* -EPERM, "already traced" */
	FAKE_SLOW,	  /* never ready */
	FAKE_NO_FORK,	  /* keeper_start() fails, a spare is dead */
	FAKE_BUSY,	  /* -EBUSY, always */
	FAKE_BUSY_ONCE,	  /* -EBUSY, then good */
	FAKE_GOOD = 100,  /* this and above */
};

uint64_t fake_keeper_word(pid_t pid, uint64_t raddr);

/* The twin of @pid dies by itself. */
void fake_keeper_kill(pid_t pid);

/* The keepers of @pid say that they are done. */
void fake_keeper_answer(pid_t pid);

/* Killed, ever, before they had answered and were heard. */
int fake_keeper_killed_owing(void);

/* Called off, ever. */
int fake_keeper_called_off(void);

/* Keepers started and not released. */
int fake_keeper_count(void);

/* Keepers started, ever. */
int fake_keeper_starts(void);

/* Spares made, ever; *@ret_asked: those that were asked for an image. */
int fake_keeper_spares(int *ret_asked);

/* Of the last request. */
struct keeper_request fake_keeper_last(void);
