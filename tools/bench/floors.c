/* SPDX-License-Identifier: MIT */
#include "tools/bench/floors.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"

const char *const floor_names[FLOOR_END] = {
	[FLOOR_ZERO] = "anonymous, first write",
	[FLOOR_COPY] = "cached file, private write",
	[FLOOR_FORK] = "after fork(), first write",
};

const char *const floor_fields[FLOOR_END] = {
	[FLOOR_ZERO] = "anonymous_write",
	[FLOOR_COPY] = "cached_private_write",
	[FLOOR_FORK] = "fork_write",
};

static void write_all(char *map, unsigned nr, struct hist *hist)
{
	for (unsigned i = 0; i < nr; i++) {
		volatile char *byte = map + i * PAGE_BYTES;
		uint64_t start_ns = io_monotonic_ns();

		*byte = 1;
		hist_add(hist, io_monotonic_ns() - start_ns);
	}
}

/* @fd -1: anonymous. */
static char *map_private(int fd, size_t bytes)
{
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (map != MAP_FAILED && fd < 0)
		(void)madvise(map, bytes, MADV_NOHUGEPAGE);
	return map;
}

static int measure_map(int fd, unsigned nr, struct hist *hist)
{
	size_t bytes = nr * PAGE_BYTES;
	char *map = map_private(fd, bytes);

	if (map == MAP_FAILED)
		return -errno;
	write_all(map, nr, hist);
	(void)munmap(map, bytes);
	return 0;
}

/* Pages that are in the page cache already. */
static int measure_copy(unsigned nr, struct hist *hist)
{
	CLEANUP_CLOSE int fd = memfd_create("bench", MFD_CLOEXEC);
	static const char page[PAGE_BYTES] = {1};

	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < nr; i++)
		if (io_write_all(fd, page, sizeof(page)))
			return -EIO;
	return measure_map(fd, nr, hist);
}

static int measure_fork(unsigned nr, struct hist *hist)
{
	size_t bytes = nr * PAGE_BYTES;
	char *map = map_private(-1, bytes);
	struct hist *result =
		mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = -1;

	if (map != MAP_FAILED && result != MAP_FAILED) {
		memset(map, 1, bytes);
		pid = fork();
	}
	if (!pid) {
		write_all(map, nr, result);
		_exit(0);
	}
	if (pid < 0)
		return -ENOMEM;
	(void)waitpid(pid, NULL, 0);
	hist_merge(hist, result);
	(void)munmap(result, sizeof(*result));
	(void)munmap(map, bytes);
	return 0;
}

int floor_measure(enum floor floor, unsigned nr, struct hist *hist)
{
	switch (floor) {
	case FLOOR_ZERO:
		return measure_map(-1, nr, hist);
	case FLOOR_COPY:
		return measure_copy(nr, hist);
	case FLOOR_FORK:
		return measure_fork(nr, hist);
	case FLOOR_END:
		break;
	}
	return -EINVAL;
}
