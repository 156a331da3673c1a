/* SPDX-License-Identifier: MIT */
/*
 * charge.h - one child, as its supervisor sees it
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "loader/guard.h"
#include "loader/load.h"
#include "loader/pager.h"

enum charge_state {
	CHARGE_NONE,
	CHARGE_LOADING,
	CHARGE_RUNNING,
	CHARGE_ENDED,
};

#define CHARGE_POLLS 4 /* descriptors to wait for, at most */

struct charge {
	const struct load *load;
	enum charge_state state;
	pid_t pid;	/* to wait for: init, or the child itself */
	bool direct;	/* the child itself */
	bool killed;	/* by us, because it could not be kept right */
	int report;	/* read end of the report pipe, or -1 */
	int hello;	/* socket for struct child_hello, or -1 */
	int pidfd;	/* of the child, or -1 */
	pid_t host_pid; /* of the child, as this process sees it */
	int status;	/* for our exit, once ended */
	struct guard *guard;
	struct pager *pager;
	struct why why; /* of a failed load, or of a kill */
};

/*
 * Make the process that will be the image.  @watchdog: a socket, or -1.  0, or
 * -errno with words in @charge->why.
 */
int charge_start(struct charge *charge, const struct load *load, int watchdog);

/* Fill @ret_polls with what to wait for; unused ones have fd -1. */
void charge_polls(const struct charge *charge, struct pollfd *ret_polls);

/*
 * Do what is due after poll() filled @polls.  Returns the signal by which the
 * child was stopped, or 0.
 */
int charge_step(struct charge *charge, const struct pollfd *polls);

/* The process charge->pid has ended with @status (waitpid). */
void charge_reaped(struct charge *charge, int status);

/* Send @signo to the child, if it runs. */
void charge_signal(const struct charge *charge, int signo);

/* Kill the child, and say why in its stead. */
void charge_kill(struct charge *charge, const char *reason);

void charge_done(struct charge *charge);
