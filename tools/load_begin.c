/* SPDX-License-Identifier: MIT */
#include "tools/load_begin.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int load_begin_path(const char *path, const char **ret_path)
{
	char here[PATH_MAX];
	char *whole;
	int error = 0;

	if (path[0] == '/') {
		*ret_path = path;
		return 0;
	}
	if (!getcwd(here, sizeof(here)))
		error = -errno;
	else if (asprintf(&whole, "%s/%s", here, path) < 0)
		error = -ENOMEM;
	if (error)
		say_error(
			"%s: our own working directory: %s; give the whole "
			"path",
			path, strerror(-error));
	else
		*ret_path = whole;
	return error;
}

int load_begin_pid_file(const char *path)
{
	struct why why = {""};
	int error = path ? pids_may_write(path, &why) : 0;

	if (error)
		say_error("%s", why.text);
	return error;
}
