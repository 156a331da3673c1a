/* SPDX-License-Identifier: MIT */
/*
 * load_begin.h - what mitosis-load does before it looks at an image
 */
#pragma once

/* The heap's pages in one call: a fault for each costs more. */
void load_begin_heap(void);

/*
 * See that @path, of --pid-file or NULL, can be written: before a child runs that
 * would have to be killed again. 0, or -errno when that has been told.
 */
int load_begin_pid_file(const char *path);
