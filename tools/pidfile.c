/* SPDX-License-Identifier: MIT */
/* pidfile.c - see pidfile.h */
#include "tools/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/say.h"

int pidfile_write(const char *path)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	int fd, error;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0644);
	error = fd < 0 ? -errno : io_write_all(fd, text, (size_t)len);
	if (fd >= 0)
		(void)close(fd);
	if (error)
		say_error("cannot write --pid-file %s: %s", path,
			  strerror(-error));
	return error;
}
