/* SPDX-License-Identifier: MIT */
/*
 * serving.h - a loader that serves the mounted image, and one client of it
 *
 * Each call blocks, says its error and returns -errno.  One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/bench.h"

struct serving {
	pid_t pid; /* 0: none */
	char path[108];
	uint64_t ready_cpu_ns; /* what it had used when it was ready */
};

/* Start one for at most @max children at once. */
int serving_start(struct bench *bench, unsigned max, struct serving *ret);

/*
 * End it, and wait.  *@ret_cpu_ns: what it and all of its children have used
 * since it was ready.
 */
int serving_stop(struct serving *serving, uint64_t *ret_cpu_ns);

/* A child that was asked for. */
struct serving_child {
	int sock, to_fd, from_fd; /* -1: none */
};

/*
 * Ask for a child with pipes for stdin and stdout; does not wait for it.  With
 * @wants_pid serving_pid() is possible.
 */
int serving_ask(const struct serving *serving, bool wants_pid,
		struct serving_child *ret);

/* Its pid, once it runs. */
int serving_pid(struct serving_child *child, pid_t *ret_pid);

/* Wait for its end, which must be a good one, if it has not failed before. */
int serving_end(struct serving_child *child);
