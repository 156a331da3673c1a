/* SPDX-License-Identifier: MIT */
/* fuzz_mountinfo.c - any bytes as a line of /proc/PID/mountinfo */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mountinfo mount;
	/* Exactly as long, so that a read past the end is seen. */
	char *line = malloc(size + 1);

	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	if (!mountinfo_parse(line, &mount) &&
	    (mount.root[0] != '/' || mount.point[0] != '/' ||
	     strlen(mount.root) > size || strlen(mount.point) > size ||
	     strlen(mount.type) > size))
		abort();
	free(line);
	return 0;
}
