/* SPDX-License-Identifier: MIT */
#include "tools/load_begin.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/page.h"

#define HEAP_BYTES (64ul << 10) /* about what a load needs */

void load_begin_stdio(void)
{
	while (true) {
		int fd = open("/dev/null", O_RDWR);

		if (fd > 2)
			(void)close(fd);
		if (fd < 0 || fd > 2)
			return;
	}
}

void load_begin_heap(void)
{
	void *heap = malloc(HEAP_BYTES);

	if (heap)
		page_populate(heap, HEAP_BYTES);
	free(heap);
}
