/* SPDX-License-Identifier: MIT */
/*
 * options_check.h - whether the words that were said go together
 *
 * Reads the file of keys, with sec=psk; else pure.
 */
#pragma once

#include "fs/options.h"

/*
 * Decide what @options mean that have been read, and fill in what was not said.
 * 0, or -1 with options->why.
 */
int options_check(struct options *options);

/* Note as the reason: @format with its one %s, @word.  Returns -1. */
int options_wrong(struct options *options, const char *format,
		  const char *word);
