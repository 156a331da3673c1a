/* SPDX-License-Identifier: MIT */
/*
 * charge.h - one child, as its supervisor sees it
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "loader/child.h"
#include "loader/guard.h"
#include "loader/init.h"
#include "loader/load.h"
#include "loader/outcome.h"
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
	pid_t pid;	    /* to wait for: init, or the child itself */
	struct init *init;  /* or NULL */
	bool settled;	    /* init has made the child, or could not */
	bool killed;	    /* by us, because it could not be kept right */
	bool empty;	    /* init stays, and waits for another child */
	struct child child; /* what it begins with */
	int report;	    /* read end of the report pipe, or -1 */
	int far_report;	    /* what init writes to: one table is for both */
	int hello;	    /* socket for struct child_hello, or -1 */
	int pidfd;	    /* of the child, or -1 */
	int status;	    /* for our exit, once ended */
	struct guard *guard;
	struct pager *pager;
	struct outcome outcome;
	struct why why; /* of a failed load, or of a kill */
};

/* Where a child is to be: a pid namespace with an init. */
struct charge_world {
	struct init *init;   /* or NULL: nspace_is_direct() */
	struct guard *guard; /* NULL before its first child */
};

struct charge_options {
	const struct load *load;
	struct charge_world world; /* becomes the charge's */
	int watchdog;		   /* a socket, where there is no init, or -1 */
	int stdio[3], terminal;	   /* as in struct child */
};

/*
 * Make the process that will be the image.  0, or -errno with words in
 * @charge->why.
 *
 * After it, nothing but waiting is allowed before charge_settle().
 */
int charge_start(struct charge *charge, const struct charge_options *options);

/* Wait until the child has been made. */
void charge_settle(struct charge *charge);

/* The child's pid, as this process sees it, or 0. */
pid_t charge_host_pid(const struct charge *charge);

/* Fill @ret_polls with what to wait for; unused ones have fd -1. */
void charge_polls(const struct charge *charge, struct pollfd *ret_polls);

/*
 * Do what is due after poll() filled @polls.  Returns the signal by which the
 * child was stopped, or 0.
 */
int charge_step(struct charge *charge, const struct pollfd *polls);

/* The process charge->pid has ended with @status and @usage (wait4),
 * or NULL where nobody wants to know. */
void charge_reaped(struct charge *charge, int status,
		   const struct rusage *usage);

/* How its life went, once it has ended; the charge's. */
const struct outcome *charge_outcome(struct charge *charge);

/* Send @signo to the child, if it runs. */
void charge_signal(struct charge *charge, int signo);

/*
 * Take the world of a charge that is empty, for another child; the charge is
 * over, and charge_done() is allowed at once.
 */
struct charge_world charge_take_world(struct charge *charge);

/*
 * Has the child ended and left processes running whose calls its guard must go
 * on to answer?  With an init nothing is left.
 */
bool charge_guards_on(const struct charge *charge);

/*
 * Has the child ended and left processes running whose memory is not all there
 * yet?  charge_let_go_some() brings a batch of it, where charge_done() would
 * block until it is all there.
 */
bool charge_pages_on(const struct charge *charge);
void charge_let_go_some(struct charge *charge);

/* Kill the child, and say why in its stead. */
void charge_kill(struct charge *charge, const char *reason);

/* Blocks while charge_pages_on(). */
void charge_done(struct charge *charge);
