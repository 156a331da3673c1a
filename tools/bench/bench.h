/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the benchmarks of images have in common: a parent and a host
 */
#pragma once

#include <sys/types.h>

#include "tools/bench/host.h"
#include "tools/bench/options.h"
#include "tools/bench/peer.h"

struct bench {
	const struct options *options;
	struct host *host;
	const char *dir;    /* for sockets and FIFOs */
	struct peer parent; /* PEER_NONE when there is none */
	pid_t pid;	    /* the parent's */
};

/* Start a parent and wait until it is ready.  Says its errors and returns
 * -errno. */
int bench_start_parent(struct bench *bench, const struct bench_parent *parent);

/* End it and wait; nothing without one. */
void bench_stop_parent(struct bench *bench);

/* An image of the parent, mounted.  Says its errors and returns -errno. */
int bench_take_image(struct bench *bench);

/*
 * Load a child of the mounted image and hear its first answer.  Says its errors
 * and returns -errno.
 */
int bench_load(struct bench *bench, struct peer *ret_child, pid_t *ret_pid);

/*
 * Ask @child for @command; its answer, that starts with @word, must be the
 * parent's own.  Says its errors and returns -errno: -EBADMSG for another
 * answer.
 */
int bench_ask_as_parent(struct bench *bench, struct peer *child,
			const char *command, const char *word,
			uint64_t *ret_took_ns);
