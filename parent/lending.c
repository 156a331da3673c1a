/* SPDX-License-Identifier: MIT */
#include "parent/lending.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"

/* A request, and what was made for it. */
struct lending {
	struct lending_ask ask;
	int cmd_fd, deeds_fd;
};

static void cleanup_lending(struct lending *lending)
{
	cleanup_close(&lending->cmd_fd);
	cleanup_close(&lending->deeds_fd);
}

static int receive(int sock, struct lending *lending)
{
	int fds[LENDING_FDS];
	unsigned nr;
	int rc = io_recv_fds(sock, &lending->ask, sizeof(lending->ask), fds,
			     LENDING_FDS, &nr);

	if (rc)
		return rc;
	if (nr > 0)
		lending->cmd_fd = fds[0];
	if (nr > 1)
		lending->deeds_fd = fds[1];
	return nr == LENDING_FDS && lending->ask.nr_ranges &&
			       lending->ask.nr_ranges <= LENDING_RANGES_MAX
		       ? 0
		       : -EPROTO;
}

static int lend(const struct lending *lending, struct lender *lender)
{
	const struct lend_job job = {
		.cmd_fd = lending->cmd_fd,
		.driver_id = lending->ask.driver_id,
		.pd_handle = lending->ask.pd_handle,
		.access = lending->ask.access,
		.nr_ranges = lending->ask.nr_ranges,
	};

	return lend_register(lender, &job, lending->deeds_fd);
}

/* Once: what a lender that was killed had registered is the daemon's to end. */
static int lend_all(const struct snapshot *snapshot,
		    const struct lending *lending, struct lender *lender,
		    struct refusal *why)
{
	int rc = 0;

	if (!lender->borrowed.pid)
		rc = lender_open(snapshot->twin, snapshot->image, lender, why);
	if (rc)
		return rc;
	rc = lend(lending, lender);
	if (rc)
		lender_close(lender);
	return rc ? refuse(why, rc, "cannot lend its memory: %s", strerror(-rc))
		  : 0;
}

int lending_serve(int sock, const struct snapshot *snapshot,
		  struct lender *lender)
{
	CLEANUP(cleanup_lending)
	struct lending lending = {.cmd_fd = -1, .deeds_fd = -1};
	struct lending_answer answer = {0};
	int rc = receive(sock, &lending);

	if (rc)
		return rc;
	answer.error = lend_all(snapshot, &lending, lender, &answer.why);
	return io_send_fds(sock, &answer, sizeof(answer), &lender->pidfd,
			   answer.error ? 0 : 1);
}
