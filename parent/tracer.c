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

/* Who took an image of it has let go before it is called a keeper again. */
static bool still_traces(pid_t tracer, pid_t tid)
{
	struct procfs_status status;
	bool traces;

	if (procfs_status(tid, 0, &status))
		return false;
	traces = status.tracer_pid == tracer;
	procfs_status_free(&status);
	return traces;
}

int tracer_refuse(pid_t tid, pid_t tracer, struct refusal *why)
{
	char name[COMM_MAX];
	int rc = read_name(tracer, name);
	const bool is_keeper = rc == 0 && !strcmp(name, TRACER_KEEPER "\n");

	if (is_keeper && still_traces(tracer, tid))
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
