/* SPDX-License-Identifier: MIT */
/*
 * load_begin.h - what mitosis-load does before it looks at an image
 */
#pragma once

/* The heap's pages in one call: a fault for each costs more. */
void load_begin_heap(void);

/*
 * @path as it is from the root on, since it is looked up in the directory of the
 * child or of a server: @path itself, or a text that is there for good.
 *
 * Returns 0, -ENOMEM, or -errno of getcwd(3), when that has been told.
 */
int load_begin_path(const char *path, const char **ret_path);

/*
 * See that @path, of --pid-file or NULL, can be written: before a child runs that
 * would have to be killed again. 0, or -errno when that has been told.
 */
int load_begin_pid_file(const char *path);
