/* SPDX-License-Identifier: MIT */
#include "parent/aside.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/taskstat.h"
#include "parent/procfs.h"

/* 6 us each; more that work at once leave few machines a CPU to go to. */
#define THREADS_MAX 32u

bool aside_choose(const cpu_set_t *ours, const cpu_set_t *busy, int here,
		  cpu_set_t *ret)
{
	cpu_set_t both;

	if (here < 0 || here >= CPU_SETSIZE || !CPU_ISSET(here, busy))
		return false;
	CPU_AND(&both, ours, busy);
	CPU_XOR(ret, ours, &both);
	return CPU_COUNT(ret) > 0;
}

/* Where threads of @pid work, or would. */
static void find_busy(pid_t pid, cpu_set_t *busy)
{
	CLEANUP_CLOSE int task_fd = -1;
	CLEANUP_FREE pid_t *tids = NULL;
	struct taskstat stat;
	uint32_t cap = 0, nr;
	char path[32];

	CPU_ZERO(busy);
	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	task_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (task_fd < 0 || procfs_tids(task_fd, &tids, &cap, &nr))
		return;
	for (uint32_t i = 0; i < nr && i < THREADS_MAX; i++)
		if (!taskstat_read(tids[i], &stat) && stat.state == 'R')
			CPU_SET(stat.cpu, busy);
}

void aside_step(pid_t pid)
{
	cpu_set_t ours, busy, rest;

	if (sched_getaffinity(0, sizeof(ours), &ours) || CPU_COUNT(&ours) < 2)
		return;
	find_busy(pid, &busy);
	if (aside_choose(&ours, &busy, sched_getcpu(), &rest) &&
	    !sched_setaffinity(0, sizeof(rest), &rest))
		(void)sched_setaffinity(0, sizeof(ours), &ours);
}
