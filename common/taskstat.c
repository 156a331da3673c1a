/* SPDX-License-Identifier: MIT */
#include "common/taskstat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define TEXT_BYTES 1024
#define FIELD_CPU  37 /* processor, counted after the name */

int taskstat_parse(const char *text, struct taskstat *ret)
{
	/* The name may hold anything, parentheses too: its end is the last. */
	const char *at = strrchr(text, ')');
	char state;
	int cpu;

	if (!at || sscanf(at, ") %c", &state) != 1)
		return -EPROTO;
	for (int field = 0; at && field < FIELD_CPU; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %9d", &cpu) != 1 || cpu < 0 ||
	    cpu >= CPU_SETSIZE)
		return -EPROTO;
	*ret = (struct taskstat){state, cpu};
	return 0;
}

int taskstat_read(pid_t tid, struct taskstat *ret)
{
	CLEANUP_CLOSE int fd = -1;
	char path[64], text[TEXT_BYTES];
	ssize_t len;

	/* That of a thread alone: the process's would count up all of them. */
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	return taskstat_parse(text, ret);
}
