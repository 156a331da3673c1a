/* SPDX-License-Identifier: MIT */
#include "parent/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/procfs.h"

#define COMM_MAX 64 /* the kernel's are shorter */

/* What it is called, or "" when it is no more, and has let go. */
static int read_name(pid_t tracer, char name[COMM_MAX])
{
	CLEANUP_FREE char *comm = NULL;
	char path[32];
	size_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", tracer);
	rc = io_slurp_at(AT_FDCWD, path, COMM_MAX, &comm, &len);
	if (rc && rc != -ENOENT && rc != -ESRCH)
		return rc;
	(void)snprintf(name, COMM_MAX, "%s", rc ? "" : comm);
	return 0;
}

pid_t tracer_of(pid_t tid)
{
	struct procfs_status status;
	pid_t tracer;

	if (procfs_status(tid, 0, &status))
		return 0;
	tracer = status.tracer_pid;
	procfs_status_free(&status);
	return tracer;
}

int tracer_refuse(pid_t tid, pid_t tracer, struct refusal *why)
{
	char name[COMM_MAX];
	int rc = read_name(tracer, name);
	const bool is_keeper = rc == 0 && !strcmp(name, TRACER_KEEPER "\n");

	/* Who took an image has let go before it is called a keeper again. */
	if (is_keeper && tracer_of(tid) == tracer)
		return refuse(why, -EOPNOTSUPP,
			      "it is the twin of an image, which process %d "
			      "keeps; ask for the process itself",
			      tracer);
	if (is_keeper ||
	    (rc == 0 && (!*name || !strcmp(name, TRACER_TAKER "\n"))))
		return refuse(why, -EALREADY,
			      "process %d takes another image of it just now; "
			      "try again",
			      tracer);
	return refuse(why, -EPERM, "process %d already traces it (a debugger?)",
		      tracer);
}
