/* SPDX-License-Identifier: MIT */
/*
 * channel.h - how the kernel's questions reach us: through /dev/fuse, or over
 * io_uring
 *
 * /dev/fuse is one queue for all CPUs, read by any of our threads.  Over
 * io_uring (libfuse 3.18 with liburing, Linux 6.14 with fuse.enable_uring=Y)
 * each CPU has a queue and a thread of its own, bound to it: a fault is answered
 * on the CPU that it happened on.  But that thread answers one question at a
 * time, so while it waits for a network all others of its CPU wait too.
 *
 * Above: fs/session.c, and the benchmark's file system that does nothing, so
 * that both are asked in the same way.  Threads: any.
 */
#pragma once

#include <stdbool.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#define CHANNEL_WHY_MAX 255

/* As -o fuse= has it. */
enum channel_wish {
	CHANNEL_AUTO,
	CHANNEL_DEV,
	CHANNEL_URING, /* or no mount */
};

/* "auto", "dev", "io_uring".  0, or -EINVAL for another word. */
int channel_parse(const char *text, enum channel_wish *ret);

/*
 * Whether io_uring can be had here; if not, @why (CHANNEL_WHY_MAX + 1 bytes)
 * says what is missing.  Reads a file of /sys.
 */
bool channel_has_uring(char *why);

/*
 * Whether to take it, for a mount whose reads wait for a network or do not
 * (@waits).  Returns 0, or -EOPNOTSUPP with words in @why.
 */
int channel_choose(enum channel_wish wish, bool waits, bool *ret_uring,
		   char *why);

/*
 * How many threads shall read /dev/fuse: those that wait for a network need
 * others beside them, of the rest one a CPU is best (docs/performance.md).
 */
unsigned channel_threads(bool waits);

/* Words for libfuse's -o, each after a comma; static. */
const char *channel_words(bool uring);

/* In init(): what is asked of the kernel. */
void channel_want(struct fuse_conn_info *conn, bool uring);

/* Whether this question came over io_uring. */
bool channel_is_uring(fuse_req_t req);

/* "dev" or "io_uring". */
const char *channel_name(bool uring);

/*
 * Answer until the session ends, with up to @threads threads for /dev/fuse.
 * Returns 0 or -errno.
 */
int channel_loop(struct fuse_session *fuse, unsigned threads);
