/* SPDX-License-Identifier: MIT */
/* Lines of /proc/PID/maps: whatever is taken must be a sane map. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loader/guard_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_map_vma vma;
	char *line = malloc(size + 1);

	if (!line)
		return 0;
	if (size)
		memcpy(line, data, size);
	line[size] = '\0';
	if (!guard_map_parse(line, &vma) && vma.start >= vma.end)
		abort();
	free(line);
	return 0;
}
