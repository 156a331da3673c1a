/* SPDX-License-Identifier: MIT */
/*
 * mkimage.c - mkimage PID DIR [space]: an image directory of a running process
 *
 * By dump.h, not by parent/'s snapshot; only the descriptors come from there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/fds.h"
#include "tests/unit/loader/dump.h"

int main(int argc, char **argv)
{
	struct refusal refusal = {""};
	struct image *image;
	struct fds *fds = NULL;
	pid_t pid;
	int error;

	if (argc < 3)
		return 2;
	pid = (pid_t)strtol(argv[1], NULL, 10);
	error = fds_scan(pid, &fds, &refusal);
	if (!error)
		error = dump_stop(pid, &image);
	if (!error)
		error = fds_capture(fds, &refusal);
	if (!error)
		error = fds_finish(fds, image);
	if (!error)
		error = dump_write(pid, image, argv[2], argc > 3);
	if (error)
		(void)fprintf(stderr, "mkimage: %s %s\n", strerror(-error),
			      refusal.why);
	return error ? 1 : 0;
}
