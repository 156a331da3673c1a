/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one thread's events: io_uring completions, readiness, deadlines
 *
 * Above: tcp_serve.c (sockets) and parent/daemon.c (keepers, signals, leases).
 * One enter system call per turn carries all that was asked for in the turn
 * before and brings all that finished (io_uring_enter(2)).
 *
 * Threads: one thread makes the loop and makes every call.
 */
#pragma once

#include <liburing.h>
#include <stdint.h>

struct loop;

/* Something asked of the kernel; part of the asker's own struct. */
struct loop_op {
	/* @result and @flags are those of the completion (struct io_uring_cqe).
	 * The op is free for use again unless IORING_CQE_F_MORE is set. */
	void (*done)(struct loop_op *op, int result, uint32_t flags);
};

/* Work that is neither a completion nor a deadline: runs once each turn. */
struct loop_work {
	/* Returns 1 when more is left, so that the loop does not sleep. */
	int (*run)(struct loop_work *work);
	struct loop_work *next; /* the loop's */
};

/* A deadline; CLOCK_MONOTONIC, 0: none.  Change it at any time. */
struct loop_timer {
	uint64_t deadline_ns;
	/* The deadline passed; it is 0 again when this runs. */
	void (*fired)(struct loop_timer *timer);
	struct loop_timer *next; /* the loop's */
};

/* Waits until a descriptor is ready. */
struct loop_watch;

/*
 * Make a loop with room for @entries requests between two turns.
 *
 * Returns 0, or -errno of io_uring_setup(2): -ENOSYS or -EPERM where io_uring
 * is off, -ENOMEM.
 */
int loop_open(unsigned entries, struct loop **ret);

/*
 * A submission entry whose completion goes to @op; fill it with io_uring_prep_*
 * and then call loop_mark().  Never NULL: a full queue is submitted first.
 */
struct io_uring_sqe *loop_sqe(struct loop *loop);
void loop_mark(struct io_uring_sqe *sqe, struct loop_op *op);

/* Ask the kernel to end @op early: it is done soon, perhaps with -ECANCELED. */
void loop_cancel(struct loop *loop, struct loop_op *op);

/* Add @work or @timer, which must live until it is dropped or the loop ends. */
void loop_add_work(struct loop *loop, struct loop_work *work);
void loop_add_timer(struct loop *loop, struct loop_timer *timer);

/* Take them out again (NULL: none): a timer at any time, work not while works
 * run. */
void loop_drop(struct loop *loop, struct loop_work *work,
	       struct loop_timer *timer);

/*
 * Call @ready(@arg) once when @fd is readable or hung up.  Then, or at
 * loop_unwatch(), the watch is gone; the descriptor stays the caller's and may
 * be closed after that.
 *
 * Returns 0 or -ENOMEM.
 */
int loop_watch(struct loop *loop, int fd, void (*ready)(void *arg), void *arg,
	       struct loop_watch **ret);
/* NULL is allowed; not after @ready was called. */
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

/*
 * Serve until loop_stop().  Returns what loop_stop() was given, or -errno of
 * io_uring_enter(2).
 */
int loop_run(struct loop *loop);

/* One turn of loop_run(): for those who wait for an end of their own. */
int loop_turn(struct loop *loop);

void loop_stop(struct loop *loop, int result);

/*
 * Cancel what is under way and end the loop; no callback runs.  Ops and buffers
 * must live until this returns.  NULL is allowed.
 */
void loop_close(struct loop *loop);
