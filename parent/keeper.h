/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - one process per snapshot, which takes it and holds it
 *
 * The twin dies with its tracer, so the tracer is a process of its own: forked
 * here, told whom to image, and killed to release.  It asks the kernel whether
 * the user it works for may look (PTRACE_MODE_ATTACH, as that user) before it
 * stops anything.
 *
 *     mitosisd / mitosisfs              keeper                  target
 *       keeper_start() -------fork------> snapshot_take() ------> (pause)
 *       poll(keeper_fd) <---sendmsg------ descriptor, mem, shared, exe
 *       keeper_finish()                   waits until its socket closes
 *       keeper_release() ---SIGKILL-----> dies, and the twin with it
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "common/source.h"
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
};

/* Fork the keeper; returns at once.  0 or -errno of fork and friends. */
int keeper_start(const struct keeper_request *request, struct keeper **ret);

/* Readable when keeper_finish() will not block. */
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
 * Begin to end keeper and twin: they die, which takes a twin the longer the
 * more memory it has.  No page can be read from here on.  keeper_release()
 * blocks the less once the descriptor that this returns is readable; it stays
 * the keeper's.
 */
int keeper_kill(struct keeper *keeper);

/* End keeper and twin and wait for both.  NULL is allowed. */
void keeper_release(struct keeper *keeper);
