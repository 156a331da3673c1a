/* SPDX-License-Identifier: MIT */
/*
 * threads.h - what ptrace tells about stopped threads, and two corrections
 *
 * Above: snapshot.c.  Below: tracee.h, restart.h, pending.h.  Fills regs,
 * sigmask, robust list, rseq and xstate of each thread; what only the thread
 * itself can ask the kernel (names, alternate stacks) comes from graft.h.
 *
 * The corrections, made to what the thread gets back and to the image alike:
 * a call that our stop ended with EINTR is issued again, and a restartable
 * sequence (rseq(2)) that our stop cut goes to its abort handler.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "parent/pending.h"
#include "parent/refusal.h"
#include "parent/seize.h"

/*
 * @mem_fd is /proc/PID/mem.  On success the image has its threads, in the order
 * of @seized, and @pending what waits for them.
 *
 * Returns 0, -ESRCH, -EOPNOTSUPP with words in @why (32-bit code, system call
 * user dispatch), -E2BIG, -ENOMEM, or -EIO.
 */
int threads_capture(struct seized *seized, int mem_fd, struct image *image,
		    struct pending *pending, struct refusal *why);
