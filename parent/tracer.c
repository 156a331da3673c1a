/* SPDX-License-Identifier: MIT */
#include "parent/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"

#define COMM_MAX 64 /* the kernel's are shorter */

/* One that has gone since has let go. */
static bool is_keeper(pid_t tracer)
{
	CLEANUP_FREE char *comm = NULL;
	char path[32];
	size_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", tracer);
	rc = io_slurp_at(AT_FDCWD, path, COMM_MAX, &comm, &len);
	return rc == -ENOENT || rc == -ESRCH ||
	       (rc == 0 && !strcmp(comm, TRACER_KEEPER "\n"));
}

int tracer_refuse(pid_t tracer, struct refusal *why)
{
	if (is_keeper(tracer))
		return refuse(why, -EALREADY,
			      "process %d takes another image of it just now; "
			      "try again",
			      tracer);
	return refuse(why, -EPERM, "process %d already traces it (a debugger?)",
		      tracer);
}
