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
#include "parent/pages.h"

/* The copied areas are runs of an image, so there cannot be more of them. */
#define SHARED_RUNS_MAX IMAGE_RUNS_MAX

struct keeper {
	pid_t pid;
	int sock;
	int twin_pidfd; /* or -1 */
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

static void run_child(const int socks[2], const struct keeper_request *request)
{
	/* What the parent's threads held when it forked is of no concern. */
	(void)close(socks[0]);
	holder_run(socks[1], request);
}

int keeper_start(const struct keeper_request *request, struct keeper **ret)
{
	CLEANUP_FREE struct keeper *keeper = calloc(1, sizeof(*keeper));
	int socks[2];

	if (!keeper)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	keeper->twin_pidfd = -1;
	keeper->sock = socks[0];
	keeper->pid = fork();
	if (keeper->pid < 0) {
		int error = -errno;

		(void)close(socks[0]);
		(void)close(socks[1]);
		return error;
	}
	if (keeper->pid == 0)
		run_child(socks, request);
	(void)close(socks[1]);
	*ret = steal_ptr(&keeper);
	return 0;
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
	CLEANUP_FREE struct image_run *runs = NULL;
	int rc = read_runs(delivery, &runs);
	const struct pages_origin origin = {
		.twin = delivery->answer.twin,
		.mem_fd = delivery->mem_fd,
		.exe_fd = delivery->exe_fd,
		.shared_fd = delivery->shared_fd,
		.shared_runs = runs,
		.nr_shared_runs = delivery->answer.nr_shared_runs,
		.image = result->image,
	};

	rc = rc ? rc : pages_open(&origin, &result->source);
	if (rc == 0)
		delivery->mem_fd = delivery->exe_fd = delivery->shared_fd = -1;
	return rc;
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

/* The keeper never speaks twice: what can be read is its end. */
int keeper_alive(struct keeper *keeper)
{
	struct pollfd end = {.fd = keeper->sock, .events = POLLIN};

	return keeper->result.source && poll(&end, 1, 0) == 0;
}

/* Without a twin, or before it was named, the keeper's own end must do. */
int keeper_kill(struct keeper *keeper)
{
	(void)kill(keeper->pid, SIGKILL);
	return keeper->twin_pidfd >= 0 ? keeper->twin_pidfd : keeper->sock;
}

/* Until the twin's memory is given back, which init may still have to see. */
static void wait_twin(const struct keeper *keeper)
{
	struct pollfd end = {.fd = keeper->twin_pidfd, .events = POLLIN};

	while (keeper->twin_pidfd >= 0 && poll(&end, 1, -1) < 0 &&
	       errno == EINTR)
		;
}

void keeper_release(struct keeper *keeper)
{
	if (!keeper)
		return;
	(void)kill(keeper->pid, SIGKILL);
	while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	wait_twin(keeper);
	if (keeper->twin_pidfd >= 0)
		(void)close(keeper->twin_pidfd);
	(void)close(keeper->sock);
	pages_close(keeper->result.source);
	image_free(keeper->result.image);
	free(keeper->result.desc);
	free(keeper);
}
