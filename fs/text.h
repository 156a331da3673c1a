/* SPDX-License-Identifier: MIT */
/*
 * text.h - the files of the tree that are written from the image
 *
 * Each returns a NUL-terminated string that is the caller's to free(), or NULL
 * without memory.
 */
#pragma once

#include <stdio.h>

#include "common/image.h"

/*
 * A memory stream for one thread, as open_memstream(3); to be closed by
 * fclose(3).  NULL without memory.
 */
FILE *text_open(char **text, size_t *len);

/* As /proc/PID/maps had it at the capture, byte for byte (proc_pid_maps(5)). */
char *text_maps(const struct image *image);

/* One line of it; errors are the stream's. */
void text_put_area(FILE *out, const struct image_vma *vma);

/* What is in the image, for programs; the schema is in docs/image-json.md. */
char *text_image_json(const struct image *image);

/* What is what in the mount, for people.  Not to be freed. */
const char *text_readme(void);
