/* SPDX-License-Identifier: MIT */
/*
 * helper.h - the command line by which mount(8) calls helpers
 *
 *     mount.mitosisfs SOURCE DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
 *
 * -f, -s and -v mean other things to it than to a program of FUSE, letters may be
 * joined, and the two with an argument of their own are unknown to libfuse.
 */
#pragma once

#include <stdbool.h>

#include "fs/options.h"

struct fuse_args;

/* Whether a program of that name is called so. */
bool helper_is(const char *argv0);

/*
 * The words of such a command line one by one, as libfuse's parser takes them,
 * behind those of @args, which the caller frees in any case.  TYPE is dropped: it
 * is what our name says.
 *
 * Returns 0, or -1 with options->why for words that nothing can be done about,
 * or without memory.
 */
int helper_spread(int argc, char **argv, struct options *options,
		  struct fuse_args *args);
