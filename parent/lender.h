/* SPDX-License-Identifier: MIT */
/*
 * lender.h - a copy of the twin that nobody can look into, to lend its memory
 *
 * A device registers the memory of the process that asks it to, so one with the
 * image's memory must ask, holding the daemon's own device descriptor for that
 * moment: the way to all memory that is registered there.  The twin will not
 * do.  It has the target's credentials, and whoever runs under them may have
 * opened its memory when it was born.  So it is made undumpable, and clones:
 *
 *     target          twin                      lender
 *     runs            stopped, read by          stopped, read by the device
 *                     parent/pages.c            undumpable from its birth
 *       ^ ^             |  same pages, copy on write  |
 *       | +-- may look -+ (root only, from now)       +-- root only, ever
 *       same user
 *
 * It has the twin's bytes, descriptors none, and dies with its tracer too.
 * Source: ptrace(2), "ptrace access mode checking"; kernel/fork.c, dup_mm().
 *
 * Threads: the thread that traces the twin.
 */
#pragma once

#include <sys/types.h>

#include "common/image.h"
#include "parent/borrow.h"
#include "parent/refusal.h"

struct lender {
	struct borrowed borrowed; /* pid 0: there is none */
	int mem_fd;		  /* /proc/PID/mem, read and write */
	int pidfd;
};

#define LENDER_NONE ((struct lender){.mem_fd = -1, .pidfd = -1})

/*
 * Make a lender of @twin, whose areas @image has.  Blocks for about a fork() of
 * the twin; the target has no part in it.
 *
 * Limits of the target that would be in the way are lifted from the lender,
 * which takes memory for its page tables, and one process, of the target's.
 *
 * Returns 0, or with words in @why
 *   -EOPNOTSUPP  the target is in another user namespace, whose root could look
 *   -EAGAIN, -ENOMEM, -errno of clone(2)
 *   -EPERM       the twin's code was changed
 *   -ESRCH       the twin has ended
 *   -EIO
 */
int lender_open(pid_t twin, const struct image *image,
		struct lender *ret_lender, struct refusal *why);

/* Kill it and wait for its end; LENDER_NONE is allowed, and what is left. */
void lender_close(struct lender *lender);
