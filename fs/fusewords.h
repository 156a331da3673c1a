/* SPDX-License-Identifier: MIT */
/*
 * fusewords.h - what libfuse is told of a mount, as words behind "-o"
 *
 * Pure.
 */
#pragma once

#include <stddef.h>

#include "common/parse.h"
#include "fs/options.h"

/* Of all words, with a source in which each byte had to be escaped. */
#define FUSEWORDS_BYTES (2 * PARSE_SOURCE_MAX + 1 + 192)

/* Into the @size bytes at @words.  0, or -ENAMETOOLONG. */
int fusewords_make(const struct options *options, char *words, size_t size);
