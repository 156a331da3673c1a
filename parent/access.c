/* SPDX-License-Identifier: MIT */
#include "parent/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/probe.h"

/* Files held at once: well below any limit of descriptors. */
#define BATCH 128u

bool access_may_read(int fd)
{
	return fd >= 0 && syscall(SYS_faccessat2, fd, "", R_OK,
				  AT_EMPTY_PATH | AT_EACCESS) == 0;
}

static void hold(pid_t twin, const struct image_vma **areas, uint32_t nr,
		 int *fds)
{
	for (uint32_t i = 0; i < nr; i++)
		if (mapped_open(twin, areas[i], O_PATH, &fds[i]))
			fds[i] = -1;
}

bool access_is_ours(const struct mapped_ask *ask)
{
	return ask->uid == 0 ||
	       (ask->uid == geteuid() && ask->gid == getegid());
}

static _Noreturn void run_child(const struct mapped_ask *ask,
				const struct image_vma **areas, uint32_t nr,
				bool *may)
{
	int fds[BATCH];

	hold(ask->twin, areas, nr, fds);
	if (probe_become(ask->uid, ask->gid) == 0)
		for (uint32_t i = 0; i < nr; i++)
			may[i] = access_may_read(fds[i]);
	_exit(0);
}

static void ask_as_user(const struct mapped_ask *ask,
			const struct image_vma **areas, uint32_t nr, bool *may)
{
	for (uint32_t at = 0; at < nr; at += BATCH) {
		uint32_t now = nr - at < BATCH ? nr - at : BATCH;
		pid_t child = fork();

		if (child == 0)
			run_child(ask, areas + at, now, may + at);
		while (child > 0 && waitpid(child, NULL, 0) < 0 &&
		       errno == EINTR)
			;
	}
}

int access_ask(const struct mapped_ask *ask, const struct image_vma **areas,
	       uint32_t nr, bool **ret_may)
{
	const size_t bytes = (nr + 1u) * sizeof(bool);
	bool *may = calloc(nr + 1u, sizeof(*may));
	bool *shared;

	if (!may)
		return -ENOMEM;
	*ret_may = may;
	shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 0; /* all are closed */
	ask_as_user(ask, areas, nr, shared);
	memcpy(may, shared, bytes);
	(void)munmap(shared, bytes);
	return 0;
}
