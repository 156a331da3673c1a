/* SPDX-License-Identifier: MIT */
#include "loader/guard_zero.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define CHUNK_BYTES (256u << 10)

int guard_zero_open(pid_t tid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)tid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int guard_zero(int memory_fd, uint64_t start, uint64_t end)
{
	static const char zeros[CHUNK_BYTES];

	while (start < end) {
		uint64_t left = end - start;
		ssize_t n = pwrite(memory_fd, zeros,
				   left < CHUNK_BYTES ? left : CHUNK_BYTES,
				   (off_t)start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		start += (uint64_t)n;
	}
	return 0;
}
