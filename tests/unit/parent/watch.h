/* SPDX-License-Identifier: MIT */
/*
 * watch.h - what must be the same in a process before and after a snapshot
 *
 * Taken from /proc, as text, so that a difference can be shown.
 */
#pragma once

#include <sys/types.h>

/* The caller's to free(): the memory areas, but not how far a stack grew. */
char *watch_maps(pid_t pid);

/* Of each thread: signal masks, seccomp, and who traces it. */
char *watch_threads(pid_t pid);

/* The numbers of all descriptors. */
char *watch_fds(pid_t pid);

/* The children of all threads. */
char *watch_children(pid_t pid);

/* Wait, some seconds at most, until @look gives @want; what it gave last. */
char *watch_until(char *(*look)(pid_t), pid_t pid, const char *want);
