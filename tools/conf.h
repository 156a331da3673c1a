/* SPDX-License-Identifier: MIT */
/*
 * conf.h - the options of a program's command line, out of a file
 *
 * "name = value" for each line of the program's option table (tools/opts.h),
 * below a section with the program's name or none; "yes" and "no" for flags.
 * An option of the command line goes before the file's.
 */
#pragma once

#include <stdbool.h>

#include "tools/opts.h"

#define CONF_BYTES_MAX (64u << 10)

/*
 * What "--config PATH" in @argv says, or @otherwise.  Looked for before the
 * line is parsed, as the file comes first.
 */
const char *conf_path(int argc, char **argv, const char *otherwise);

/*
 * Set what the file at @path says of @table, all but "config", "help" and
 * "version".  Texts live as long as the program.
 *
 * Returns 0, also when there is no such file and it need not be there, or
 * -EINVAL after a line on stderr: no file, one that others can write, one that
 * is too long, an unknown name, a value out of range.
 */
int conf_read(const struct opts_entry *table, const char *path,
	      bool must_be_there);
