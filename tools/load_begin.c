/* SPDX-License-Identifier: MIT */
#include "tools/load_begin.h"

#include <stdlib.h>

#include "common/page.h"
#include "common/say.h"
#include "loader/pids.h"

#define HEAP_BYTES (64ul << 10) /* about what a load needs */

void load_begin_heap(void)
{
	void *heap = malloc(HEAP_BYTES);

	if (heap)
		page_populate(heap, HEAP_BYTES);
	free(heap);
}

int load_begin_pid_file(const char *path)
{
	struct why why = {""};
	int error = path ? pids_may_write(path, &why) : 0;

	if (error)
		say_error("%s", why.text);
	return error;
}
