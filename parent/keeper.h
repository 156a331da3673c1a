/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - one process per snapshot, which takes it, holds it, and lends it
 *
 * The twin dies with its tracer, so the tracer is a process of its own: forked
 * here, told whom to image, and killed to release.  It asks the kernel whether
 * the user it works for may look (PTRACE_MODE_ATTACH, as that user) before it
 * stops anything.
 *
 *     mitosisd / mitosisfs              keeper                  target
 *       keeper_spare() -------fork------> makes itself ready, waits
 *       keeper_ask() --------send-------> snapshot_take() ------> (pause)
 *       poll(keeper_fd) <---sendmsg------ descriptor, mem, shared, exe
 *       keeper_finish()                   waits for requests, and the end
 *       keeper_lend() ------sendmsg-----> the snapshot's memory is registered
 *       poll(keeper_fd) <---sendmsg------ on a device: handles
 *       keeper_lent()
 *       keeper_release() ---SIGKILL-----> dies, and the twin with it
 *
 * Threads: one at a time makes the calls for one keeper.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "common/source.h"
#include "parent/lend.h"
#include "parent/refusal.h"
#include "parent/snapshot.h"

struct keeper;

struct keeper_request {
	pid_t pid;
	uid_t uid; /* for whom: the one who must be allowed to look */
	gid_t gid;
	struct snapshot_options snapshot;
};

struct keeper_result {
	void *desc; /* the encoded descriptor */
	size_t desc_bytes;
	struct image *image; /* the decoded one */
	struct page_source *source;
	struct image_run *shared_runs; /* what the source serves from copies */
	uint32_t nr_shared_runs;
};

/*
 * Fork a keeper before there is work for it, which a fork makes wait; it ends
 * when it is released, or with its maker.  0 or -errno of fork and friends.
 */
int keeper_spare(struct keeper **ret);

/*
 * Give @spare, which had none yet, its work.  Returns at once: 0, or -errno of
 * sendmsg(2) when it is dead, and then it can only be released.
 */
int keeper_ask(struct keeper *spare, const struct keeper_request *request);

/* Both at once.  0 or -errno of fork and friends. */
int keeper_start(const struct keeper_request *request, struct keeper **ret);

/*
 * Readable when keeper_finish() or, after keeper_lend(), keeper_lent() will not
 * block; at other times when the keeper is dead.
 */
int keeper_fd(const struct keeper *keeper);

/*
 * Take the result.  On success *@ret_result and what it points at belong to the
 * keeper until keeper_release().  On failure release it all the same.
 *
 * Returns 0, what snapshot_take() returned with its words in @ret_why, -EACCES
 * when the user may not look, or -EIO when the keeper died.
 */
int keeper_finish(struct keeper *keeper,
		  const struct keeper_result **ret_result,
		  struct refusal *ret_why);

/* 1 while the twin lives: pages can be read. */
int keeper_alive(struct keeper *keeper);

/*
 * Ask for ranges of the snapshot's memory to be registered on a device; the
 * answer is keeper_lent()'s.  One is asked for at a time.
 *
 * @job is of no more use to the keeper when this returns.  Never blocks.
 * Returns 0, -EBUSY with one under way, -EINVAL for no ranges or more than
 * LENDING_RANGES_MAX, -ENOMEM, or -errno of memfd_create(2), write(2) and
 * sendmsg(2).
 */
int keeper_lend(struct keeper *keeper, const struct lend_job *job);

/*
 * Take the answer.  @deeds has room for all that were asked for, and whatever
 * is returned tells of each range whether it is registered now: the caller is
 * to end those that are.  Without an answer, waits for one, or for the end of a
 * keeper that was killed and of its lender.
 *
 * Returns 0, with words what lend_register() or lender_open() returned, -EBUSY
 * when the lender does not die, or -EPIPE when the keeper is dead, and for
 * nothing else.
 */
int keeper_lent(struct keeper *keeper, struct lend_deed *deeds,
		struct refusal *ret_why);

/* 1 while keeper_lent() is to be called. */
int keeper_lends(const struct keeper *keeper);

/*
 * Nobody wants the image any more: a pause that lasts ends in some 100 ms, and
 * the answer that it owes comes the sooner.  Only releasing is left to do then.
 */
void keeper_call_off(struct keeper *keeper);

#define KEEPER_ANSWER_MS 1000

/* 1 until keeper_finish() has had its answer, or keeper_kill() was called. */
int keeper_owes(const struct keeper *keeper);

/*
 * Begin to end keeper and twin: they die, which takes a twin the longer the
 * more memory it has.  No page can be read from here on.  keeper_release()
 * blocks the less once the descriptor that this returns is readable; it stays
 * the keeper's.
 *
 * Before this a keeper that owes its answer should be called off, and have
 * KEEPER_ANSWER_MS, until its descriptor is readable: a target under seccomp
 * may die with who dies in its pause.  keeper_release() alone does all that.
 */
int keeper_kill(struct keeper *keeper);

/* End keeper and twin and wait for both.  NULL is allowed. */
void keeper_release(struct keeper *keeper);
