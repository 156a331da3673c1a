/* SPDX-License-Identifier: MIT */
/*
 * host.h - the benchmark's use of our own programs, one step a call
 *
 * With tcp a mitosisd of our own serves on loopback, behind a relay where there
 * is to be a delay; with local mitosisfs holds the image itself, and there is
 * nothing to prepare.  Each call blocks, says
 * its error and returns -errno.  One thread.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/options.h"
#include "tools/bench/peer.h"

struct host;

/* @dir: an empty directory for the mount and for sockets; borrowed. */
int host_open(const struct options *options, const char *dir,
	      struct host **ret);

/* Ask the daemon for an image of @pid: the time it took, 0 with local. */
int host_prepare(struct host *host, pid_t pid, uint64_t *ret_took_ns);

/* Mount it; with local this takes the image. */
int host_mount(struct host *host, pid_t pid, uint64_t *ret_took_ns);

/*
 * Load a child.  "ping" is on its stdin before it starts.
 * @ret_took_ns: until the loader says that the child runs.
 * @ret_pid: the child's.
 */
int host_load(struct host *host, struct peer *ret_child, uint64_t *ret_took_ns,
	      pid_t *ret_pid);

/* Where the mounted image is. */
const char *host_image(const struct host *host);

/* The bytes of memory that the mounted image holds. */
int host_image_bytes(struct host *host, uint64_t *ret_bytes);

/* The number that the status of the mount has for @key. */
int host_status(struct host *host, const char *key, uint64_t *ret);

/* Unmount and release, if there is something. */
int host_drop(struct host *host);

/* NULL is allowed. */
void host_close(struct host *host);

/* The path of the program @name beside this one; NULL and said without it. */
char *host_program(const char *name);
