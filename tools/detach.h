/* SPDX-License-Identifier: MIT */
/*
 * detach.h - go to the background, but not before all is well
 *
 * The process that the user started waits until the one in the background says
 * that it is ready, or has said on stderr what is wrong, and ends with that
 * exit code.
 */
#pragma once

/*
 * Fork.  Returns in the child only, which leads a session of its own; the first
 * process exits: 0 after detach_done(), 1 when the child ends before.
 *
 * Returns 0 or -errno of fork and pipe.
 */
int detach_start(int *ret_fd);

/*
 * @path as it is said from the root, since we go there: the caller's to free. NULL, an
 * absolute path, and where there is no memory: @path itself.
 */
const char *detach_path(const char *path);

/* Ready: let the first process go, and let go of the terminal.  -1: nothing. */
void detach_done(int fd);
