/* SPDX-License-Identifier: MIT */
/*
 * dump.h - an image directory made with nothing but ptrace(2) and /proc
 *
 * A second way to make an image, independent of parent/, so that the loader can
 * be tested alone.  Slow, and it keeps the process stopped while it reads; what
 * only injected calls can tell (signal actions, alternate stacks) is the
 * caller's to fill in.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/image.h"

/*
 * Stop every thread of @pid and read all but its pages.  The process stays
 * stopped until dump_release().  Returns 0 or -errno.
 */
int dump_stop(pid_t pid, struct image **ret_image);

/*
 * Write @image with the pages of @pid to the new directory @dir; with @space as
 * one sparse file .space, as a mount has it (needs a tmpfs).  0 or -errno.
 */
int dump_write(pid_t pid, const struct image *image, const char *dir,
	       bool space);

/* Let the process go on. */
void dump_release(pid_t pid, const struct image *image);
