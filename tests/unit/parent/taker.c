/* SPDX-License-Identifier: MIT */
#include "tests/unit/parent/taker.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "parent/snapshot.h"

struct outcome {
	int error;
	struct refusal why;
};

static void take(pid_t pid, unsigned count, struct outcome *outcome)
{
	const struct snapshot_options options = {500, 64 << 20};
	struct snapshot *snapshot;

	for (unsigned i = 0; i < count && outcome->error == 0; i++) {
		outcome->error =
			snapshot_take(pid, &options, &snapshot, &outcome->why);
		if (outcome->error == 0)
			snapshot_release(snapshot);
	}
}

int taker_take(pid_t pid, unsigned count, struct refusal *why)
{
	struct outcome outcome = {0};
	int fds[2], rc;
	pid_t child;

	if (pipe(fds) < 0 || (child = fork()) < 0)
		return -errno;
	if (child == 0) {
		take(pid, count, &outcome);
		(void)io_write_all(fds[1], &outcome, sizeof(outcome));
		_exit(0);
	}
	(void)close(fds[1]);
	rc = io_read_all(fds[0], &outcome, sizeof(outcome));
	(void)close(fds[0]);
	(void)waitpid(child, NULL, 0);
	*why = outcome.why;
	return rc ? rc : outcome.error;
}
