/* SPDX-License-Identifier: MIT */
#include "parent/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/desc.h"
#include "common/io.h"
#include "parent/holder.h"
#include "parent/lending.h"
#include "parent/pages.h"

/* The copied areas are runs of an image, so there cannot be more of them. */
#define SHARED_RUNS_MAX IMAGE_RUNS_MAX

struct keeper {
	pid_t pid;
	int sock;
	int twin_pidfd;	   /* or -1 */
	int lender_pidfd;  /* or -1 */
	uint32_t lends;	   /* ranges that were asked for and not answered */
	int deeds_fd;	   /* of those, or -1 */
	bool has_answered; /* or was not asked: its target runs on */
	struct keeper_result result;
};

/* What came over the socket; the descriptors are owned until taken. */
struct delivery {
	struct holder_answer answer;
	int desc_fd, mem_fd, exe_fd, shared_fd, runs_fd;
};

static void delivery_close(struct delivery *delivery)
{
	const int fds[] = {delivery->desc_fd, delivery->mem_fd,
			   delivery->exe_fd, delivery->shared_fd,
			   delivery->runs_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void run_child(const int socks[2])
{
	/* What the parent's threads held when it forked is of no concern. */
	(void)close(socks[0]);
	holder_run(socks[1]);
}

int keeper_spare(struct keeper **ret)
{
	CLEANUP_FREE struct keeper *keeper = calloc(1, sizeof(*keeper));
	int socks[2];

	if (!keeper)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	keeper->twin_pidfd = keeper->lender_pidfd = keeper->deeds_fd = -1;
	keeper->sock = socks[0];
	keeper->pid = fork();
	if (keeper->pid < 0) {
		int error = -errno;

		(void)close(socks[0]);
		(void)close(socks[1]);
		return error;
	}
	if (keeper->pid == 0)
		run_child(socks);
	(void)close(socks[1]);
	keeper->has_answered = true; /* nobody asked yet */
	*ret = steal_ptr(&keeper);
	return 0;
}

int keeper_ask(struct keeper *spare, const struct keeper_request *request)
{
	int rc = io_send_fds(spare->sock, request, sizeof(*request), NULL, 0);

	spare->has_answered = rc != 0;
	return rc;
}

int keeper_start(const struct keeper_request *request, struct keeper **ret)
{
	struct keeper *keeper;
	int rc = keeper_spare(&keeper);

	if (rc)
		return rc;
	rc = keeper_ask(keeper, request);
	if (rc)
		keeper_release(keeper);
	else
		*ret = keeper;
	return rc;
}

int keeper_fd(const struct keeper *keeper)
{
	return keeper->sock;
}

static int receive(struct keeper *keeper, struct delivery *delivery)
{
	int *const slots[HOLDER_FDS_MAX] = {
		&delivery->desc_fd, &delivery->mem_fd, &delivery->exe_fd,
		&delivery->shared_fd, &delivery->runs_fd};
	int fds[HOLDER_FDS_MAX];
	unsigned nr, next = 0;
	int rc =
		io_recv_fds(keeper->sock, &delivery->answer,
			    sizeof(delivery->answer), fds, HOLDER_FDS_MAX, &nr);

	if (rc)
		return -EIO;
	for (unsigned i = 0; i < HOLDER_FDS_MAX && next < nr; i++)
		if (delivery->answer.fds >> i & 1)
			*slots[i] = fds[next++];
	return 0;
}

static int take_desc(struct delivery *delivery, struct keeper_result *result)
{
	const size_t bytes = delivery->answer.desc_bytes;
	CLEANUP_FREE void *desc = NULL;
	int rc;

	if (bytes > DESC_BYTES_MAX)
		return -EIO;
	desc = malloc(bytes + 1);
	if (!desc)
		return -ENOMEM;
	rc = io_pread_all(delivery->desc_fd, desc, bytes, 0);
	rc = rc ? rc : desc_decode(desc, bytes, &result->image);
	if (rc)
		return rc;
	result->desc_bytes = bytes;
	result->desc = steal_ptr(&desc);
	return 0;
}

static int read_runs(const struct delivery *delivery, struct image_run **ret)
{
	const size_t nr = delivery->answer.nr_shared_runs;
	CLEANUP_FREE struct image_run *runs = NULL;
	int rc;

	if (nr > SHARED_RUNS_MAX)
		return -EIO;
	runs = calloc(nr + 1, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	rc = nr ? io_pread_all(delivery->runs_fd, runs, nr * sizeof(*runs), 0)
		: 0;
	if (rc == 0)
		*ret = steal_ptr(&runs);
	return rc;
}

static int open_source(struct delivery *delivery, struct keeper_result *result)
{
	int rc = read_runs(delivery, &result->shared_runs);
	const struct pages_origin origin = {
		.twin = delivery->answer.twin,
		.mem_fd = delivery->mem_fd,
		.exe_fd = delivery->exe_fd,
		.shared_fd = delivery->shared_fd,
		.shared_runs = result->shared_runs,
		.nr_shared_runs = delivery->answer.nr_shared_runs,
		.image = result->image,
	};

	rc = rc ? rc : pages_open(&origin, &result->source);
	if (rc)
		return rc;
	delivery->mem_fd = delivery->exe_fd = delivery->shared_fd = -1;
	result->nr_shared_runs = delivery->answer.nr_shared_runs;
	return 0;
}

int keeper_finish(struct keeper *keeper,
		  const struct keeper_result **ret_result,
		  struct refusal *ret_why)
{
	CLEANUP(delivery_close)
	struct delivery delivery = {.desc_fd = -1,
				    .mem_fd = -1,
				    .exe_fd = -1,
				    .shared_fd = -1,
				    .runs_fd = -1};
	int rc = receive(keeper, &delivery);

	keeper->has_answered = true;
	if (rc)
		return refuse(ret_why, rc, "its keeper died");
	if (delivery.answer.error) {
		delivery.answer.why.why[REFUSAL_MAX] = '\0';
		return refuse(ret_why, delivery.answer.error, "%s",
			      delivery.answer.why.why);
	}
	keeper->twin_pidfd =
		(int)syscall(SYS_pidfd_open, delivery.answer.twin, 0);
	rc = take_desc(&delivery, &keeper->result);
	rc = rc ? rc : open_source(&delivery, &keeper->result);
	if (rc)
		return refuse(ret_why, rc, "its image is damaged (%s)",
			      strerror(-rc));
	*ret_result = &keeper->result;
	return 0;
}

/* It speaks only when it was asked: else what can be read is its end. */
int keeper_alive(struct keeper *keeper)
{
	struct pollfd end = {.fd = keeper->sock,
			     .events = keeper->lends ? 0 : POLLIN};

	return keeper->result.source && poll(&end, 1, 0) == 0;
}

int keeper_lend(struct keeper *keeper, const struct lend_job *job)
{
	const struct lending_ask ask = {job->driver_id, job->pd_handle,
					job->access, job->nr_ranges};
	CLEANUP_CLOSE int deeds_fd = -1;
	int rc;

	if (keeper->lends)
		return -EBUSY;
	if (!job->nr_ranges || job->nr_ranges > LENDING_RANGES_MAX)
		return -EINVAL;
	rc = deeds_new(job->ranges, job->nr_ranges, &deeds_fd);
	rc = rc ? rc
		: io_send_fds(keeper->sock, &ask, sizeof(ask),
			      (const int[]){job->cmd_fd, deeds_fd},
			      LENDING_FDS);
	if (rc)
		return rc;
	keeper->lends = job->nr_ranges;
	keeper->deeds_fd = steal_fd(&deeds_fd);
	return 0;
}

static int receive_answer(struct keeper *keeper, struct refusal *ret_why)
{
	struct lending_answer answer;
	int pidfd;
	unsigned nr;

	if (io_recv_fds(keeper->sock, &answer, sizeof(answer), &pidfd, 1, &nr))
		return refuse(ret_why, -EPIPE, "its keeper died");
	if (nr) {
		cleanup_close(&keeper->lender_pidfd);
		keeper->lender_pidfd = pidfd;
	}
	answer.why.why[REFUSAL_MAX] = '\0';
	if (answer.error)
		return refuse(ret_why,
			      answer.error == -EPIPE ? -EIO : answer.error,
			      "%s", answer.why.why);
	return 0;
}

int keeper_lent(struct keeper *keeper, struct lend_deed *deeds,
		struct refusal *ret_why)
{
	int rc = receive_answer(keeper, ret_why);
	int known = deeds_end(keeper->deeds_fd, keeper->lends, deeds);

	keeper->lends = 0;
	cleanup_close(&keeper->deeds_fd);
	if (rc || !known)
		return rc;
	return refuse(ret_why, known, "what was registered is not known: %s",
		      strerror(-known));
}

int keeper_lends(const struct keeper *keeper)
{
	return keeper->lends != 0;
}

void keeper_call_off(struct keeper *keeper)
{
	(void)shutdown(keeper->sock, SHUT_WR);
}

/*
 * In the pause seccomp is lifted from the target, and comes back with our death
 * while it still makes calls for us.  So the keeper has a moment to come to its
 * answer, or its end: then the target runs on.
 */
static void await_answer(struct keeper *keeper)
{
	struct pollfd answer = {.fd = keeper->sock, .events = POLLIN};

	if (keeper->has_answered)
		return;
	keeper_call_off(keeper);
	(void)poll(&answer, 1, KEEPER_ANSWER_MS);
}

int keeper_owes(const struct keeper *keeper)
{
	return !keeper->has_answered;
}

/* Without a twin, or before it was named, the keeper's own end must do. */
int keeper_kill(struct keeper *keeper)
{
	keeper->has_answered = true;
	(void)kill(keeper->pid, SIGKILL);
	return keeper->twin_pidfd >= 0 ? keeper->twin_pidfd : keeper->sock;
}

/* Until its memory is given back, which init may still have to see. */
static void wait_end(int *pidfd)
{
	struct pollfd end = {.fd = *pidfd, .events = POLLIN};

	while (*pidfd >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	cleanup_close(pidfd);
}

void keeper_release(struct keeper *keeper)
{
	if (!keeper)
		return;
	await_answer(keeper);
	(void)kill(keeper->pid, SIGKILL);
	while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	wait_end(&keeper->lender_pidfd);
	cleanup_close(&keeper->deeds_fd);
	wait_end(&keeper->twin_pidfd);
	(void)close(keeper->sock);
	pages_close(keeper->result.source);
	free(keeper->result.shared_runs);
	image_free(keeper->result.image);
	free(keeper->result.desc);
	free(keeper);
}
