/* SPDX-License-Identifier: MIT */
/*
 * guard.h - keep anonymous memory anonymous in meaning (--memory=shared)
 *
 * The child maps the image's pages privately from a file, and a file map gives
 * the file's bytes back after madvise(MADV_DONTNEED), where anonymous memory
 * gives zeros.  The guard is a seccomp user-notification filter on just those
 * calls, and a supervisor that makes the waiting thread replace what it drops by
 * real anonymous memory, by ptrace, while it waits.
 *
 *     child thread                 supervisor (mitosis-load)
 *     madvise(DONTNEED) --notify-> which pieces are still the image's?
 *        (waits)                   none: CONTINUE
 *                     <--ptrace--- else: the original madvise, then
 *                                  mmap(MAP_FIXED | MAP_ANONYMOUS) per piece
 *     returns the madvise's own result
 *
 * After a replacement the kernel's VMA is the only truth: nothing here remembers
 * what was dropped.  An injected call passes the filter by a 64-bit cookie in
 * its unused sixth argument.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * A window of an image file whose pages stand for anonymous memory: what
 * PROCMAP_QUERY reports (inode, file offset) tells it wherever mremap moved it.
 */
struct guard_window {
	uint64_t inode;
	uint64_t start_bytes, end_bytes; /* file offsets, page aligned */
};

struct guard_options {
	dev_t dev; /* of the image's file system */
	const struct guard_window *windows; /* by inode, then offset; copied */
	unsigned nr_windows;
	uint64_t cookie; /* random, the one guard_install() had */
};

struct guard_stats {
	uint64_t calls, continued, replaced, zero_filled, moved, failed;
};

struct guard;

/*
 * In the child, before it becomes the image: install the filter for this thread
 * and all it will make.  The plan's own mremap calls pass @cookie as their sixth
 * argument.  Returns the listener (close-on-exec), or -errno.
 */
int guard_install(uint64_t cookie);

/*
 * In the supervisor.  On success the guard owns @listener.  0 or -errno.
 */
int guard_open(int listener, const struct guard_options *options,
	       struct guard **ret);

/* Readable when guard_serve() has work; POLLHUP when nobody is filtered. */
int guard_fd(const struct guard *guard);

/* Answer everything that is pending now.  0, or -errno when the guard broke:
 * the child must then be killed, for it must never run unguarded. */
int guard_serve(struct guard *guard);

void guard_get_stats(const struct guard *guard, struct guard_stats *ret_stats);
void guard_close(struct guard *guard);
