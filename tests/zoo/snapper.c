/* SPDX-License-Identifier: MIT */
/*
 * snapper.c - "snapper PID N": take N snapshots of a process, and drop them
 *
 * What a parent goes through, with no file system and no child: for parents
 * that must stay unharmed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/keeper.h"

#define STOP_TIMEOUT_MS	 2000
#define SHARED_MAX_BYTES (1ul << 30)

static int snap(const struct keeper_request *request)
{
	const struct keeper_result *result;
	struct refusal why = {0};
	struct keeper *keeper;
	int error = keeper_start(request, &keeper);

	if (error) {
		printf("snapper: keeper_start: %s\n", strerror(-error));
		return error;
	}
	error = keeper_finish(keeper, &result, &why);
	if (error)
		printf("snapper: %s: %s\n", strerror(-error), why.why);
	else
		printf("pause %lu us, %u threads, %u areas\n",
		       result->image->pause_ns / 1000,
		       result->image->nr_threads, result->image->nr_vmas);
	keeper_release(keeper);
	return error;
}

int main(int argc, char **argv)
{
	struct keeper_request request = {
		.uid = getuid(),
		.gid = getgid(),
		.snapshot = {STOP_TIMEOUT_MS, SHARED_MAX_BYTES},
	};
	unsigned state = getpid();

	if (argc != 3)
		return 2;
	request.pid = atoi(argv[1]);
	for (int i = atoi(argv[2]); i > 0; i--) {
		if (snap(&request) < 0)
			return 1;
		(void)usleep(rand_r(&state) % 20000);
	}
	return 0;
}
