/* SPDX-License-Identifier: MIT */
/* rlimit.c - see rlimit.h */
#include "tools/rlimit.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void rlimit_set(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!geteuid() || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET,
				CAP_SYS_PTRACE, 0, 0) == 1)
		(void)prctl(PR_SET_DUMPABLE, 0);
}
