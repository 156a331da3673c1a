/* SPDX-License-Identifier: MIT */
#include "common/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/say.h"

void standard_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

int standard_end(void)
{
	int had_error = ferror(stdout), error = 0;

	if (fflush(stdout))
		error = -errno;
	else if (had_error) /* of a write before, whose errno is gone */
		error = -EIO;
	if (error)
		say_error("cannot write to standard output: %s",
			  strerror(-error));
	return error;
}
