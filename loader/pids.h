/* SPDX-License-Identifier: MIT */
/*
 * pids.h - what others call a child: its pid here, from its pidfd
 */
#pragma once

#include <sys/types.h>

#include "loader/why.h"

/* The pid of @pidfd's process, as this process sees it, or 0. */
pid_t pids_of(int pidfd);

/* Whether pids_write() could: 0, or -errno with its words. */
int pids_may_write(const char *path, struct why *why);

/*
 * Write @nr pids to @path, one a line; whoever sees the file sees all of it.
 * 0, or -errno with words.
 */
int pids_write(const char *path, const pid_t *pids, unsigned nr,
	       struct why *why);
