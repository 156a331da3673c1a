/* SPDX-License-Identifier: MIT */
/*
 * guard.h - keep anonymous memory anonymous in meaning (--memory=shared)
 *
 * The child maps the image's pages privately from a file, and a file map gives
 * the file's bytes back after madvise(MADV_DONTNEED), where anonymous memory
 * gives zeros.  The guard is a seccomp user-notification filter on just those
 * calls, and a supervisor that makes the waiting thread replace what it drops
 * by real anonymous memory, by ptrace, while it waits.
 *
 *     child thread                 supervisor (mitosis-load)
 *     madvise(DONTNEED) --notify-> which pieces are still the image's?
 *        (waits)                   none: CONTINUE
 *                     <--ptrace--- else: the original madvise, then
 *                                  mmap(MAP_FIXED | MAP_ANONYMOUS) per piece
 *     returns the madvise's own result
 *
 * After a replacement the kernel's VMA is the only truth: nothing here
 * remembers what was dropped.  An injected call passes the filter by a 64-bit
 * cookie in its unused sixth argument.
 *
 * Below: guard_filter (which calls wait), guard_call (one waiting call),
 * guard_map (what is mapped there), guard_inject (calls made in the thread),
 * guard_drop and guard_remap (the two families of calls), guard_file (files for
 * dropped pages that stand for them), guard_zero (where ptrace is refused).
 * docs/memory.md has the costs and what stays different.
 *
 * Threads: one thread opens and serves a guard.  Between two guard_serve() no
 * thread of the child is traced; while it runs, no other thread of this process
 * may wait for children, for it would take the stops.  An exit that the guard
 * sees first stays waitable.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A window of an image file whose pages stand for anonymous memory, or for
 * another file's: what PROCMAP_QUERY reports (inode, file offset) tells it
 * wherever mremap moved it.
 */
struct guard_window {
	uint64_t inode;
	uint64_t start_bytes, end_bytes; /* file offsets, page aligned */
	uint32_t vma_flags; /* enum image_vma_flag: what a replacement keeps */
	bool is_file;	    /* behind it is not what is behind it in the file */
};

struct guard_options {
	dev_t dev; /* st_dev of the image's file system */
	const struct guard_window *windows; /* by inode, then offset; copied */
	unsigned nr_windows;
	uint64_t cookie; /* random, the one guard_install() had */
	/*
	 * Called for a thread that waits at its exit_group(2), where the filter
	 * holds those; it goes on afterwards.  NULL: nothing is done.
	 */
	void (*exiting)(void *arg, pid_t tid);
	void *arg;
	/*
	 * Open the file that the page at @offset_bytes of the image's file
	 * @inode stands for, for pages that are dropped there.  *@ret_fd stays
	 * the opener's, open as long as the guard, and is the same for pages of
	 * one file: maps of one open file become one.  May block when a file is
	 * asked for the first time.  0, or -errno when it is not to be had.
	 * NULL: it never is.
	 */
	int (*open_file)(void *files, uint64_t inode, uint64_t offset_bytes,
			 int *ret_fd, uint64_t *ret_offset_bytes);
	void *files;
};

struct guard_stats {
	uint64_t calls;	      /* received */
	uint64_t continued;   /* nothing of the image in them */
	uint64_t replaced;    /* answered by injection */
	uint64_t zero_filled; /* ptrace or mmap refused: zeros written */
	uint64_t moved;	      /* mremap calls done by pieces */
	uint64_t failed;      /* answered with an error of our own */
	uint64_t gone;	      /* the thread died, or a signal took it away */
};

struct guard;

/*
 * In the child, before it becomes the image: install the filter for this thread
 * and all it will make.  The plan's own mremap calls pass @cookie as their
 * sixth argument.  With @exits exit_group(2) is held, too.  Sets no_new_privs
 * only where the kernel demands it (without CAP_SYS_ADMIN).
 *
 * Returns the listener (close-on-exec), or -errno: -EBUSY when this process is
 * already below another listener, -EINVAL before Linux 5.0.
 */
int guard_install(uint64_t cookie, bool exits);

/*
 * In the supervisor, which must not be the file system's server.  On success
 * the guard owns @listener.  0, -ENOMEM, or -EINVAL for windows that are empty,
 * unaligned, overlapping or out of order.
 */
int guard_open(int listener, const struct guard_options *options,
	       struct guard **ret);

/* Readable when guard_serve() has work; POLLHUP when nobody is filtered. */
int guard_fd(const struct guard *guard);

/*
 * Answer everything that is pending now.  Blocks while a thread makes the calls
 * it is told to, which ends when that thread dies, and as open_file() does.  0,
 * or -errno when the guard broke: the child must then be killed, for it must
 * never run unguarded.
 */
int guard_serve(struct guard *guard);

void guard_get_stats(const struct guard *guard, struct guard_stats *ret_stats);
void guard_close(struct guard *guard);
