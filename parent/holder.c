/* SPDX-License-Identifier: MIT */
#include "parent/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/desc.h"
#include "common/io.h"
#include "parent/gadget.h"
#include "parent/lender.h"
#include "parent/lending.h"
#include "parent/linkmap.h"
#include "parent/mapped.h"
#include "parent/probe.h"
#include "parent/snapshot.h"
#include "parent/tracer.h"

#define OOM_NEVER "-1000"

/* A child of a server has the server's signals, descriptors and terminal. */
static int leave_parent(int sock)
{
	const int keep = STDERR_FILENO + 1;
	sigset_t none;
	int null;

	sock = fcntl(sock, F_DUPFD_CLOEXEC, keep);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* EFBIG, with words */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	for (int fd = 0; null >= 0 && fd < keep; fd++)
		(void)dup2(null, fd);
	if (sock != keep)
		(void)dup3(sock, keep, O_CLOEXEC);
	(void)syscall(SYS_close_range, keep + 1, ~0u, 0);
	return keep;
}

static bool is_asked(int sock)
{
	struct pollfd request = {.fd = sock, .events = POLLIN};

	return poll(&request, 1, 0) != 0;
}

/* Nobody reads what passes through here, and the pause is not held up. */
static void harden(void)
{
	CLEANUP_CLOSE int oom = -1;

	(void)prctl(PR_SET_NAME, TRACER_KEEPER);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)mlockall(MCL_CURRENT | MCL_ONFAULT);
	oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (oom >= 0)
		(void)io_write_all(oom, OOM_NEVER, sizeof(OOM_NEVER) - 1);
}

static int may_look(pid_t pid, const struct keeper_request *request,
		    struct refusal *why)
{
	int rc = 0;

	if (request->uid != 0)
		rc = probe_may_trace(pid, request->uid, request->gid);
	if (rc == -EACCES || rc == -EPERM)
		return refuse(why, -EACCES, "user %u may not trace it",
			      request->uid);
	return rc ? refuse(why, rc, "%s", strerror(-rc)) : 0;
}

/* The files that it has mapped, and what its dynamic linker calls them. */
static int look_at_files(const struct keeper_request *request,
			 const struct snapshot *snapshot)
{
	const struct mapped_ask ask = {
		.twin = snapshot->twin,
		.uid = request->uid,
		.gid = request->gid,
	};
	int rc = mapped_scan(&ask, snapshot->image);

	return rc ? rc : linkmap_read_twin(snapshot->twin, snapshot->image);
}

/*
 * So called, it is waited for by who wants another image of @request->pid; also
 * after a failure, which may leave a thread traced until we end.
 */
static int take_snapshot(const struct keeper_request *request,
			 struct snapshot **ret_snapshot, struct refusal *why)
{
	int rc;

	(void)prctl(PR_SET_NAME, TRACER_TAKER);
	rc = snapshot_take(request->pid, &request->snapshot, ret_snapshot, why);
	if (rc == 0)
		(void)prctl(PR_SET_NAME, TRACER_KEEPER);
	return rc;
}

/*
 * The twin is asked too: it has the credentials that the target had in the very
 * moment of the pause, were it another program by then.
 */
static int take(const struct keeper_request *request,
		struct snapshot **ret_snapshot, struct refusal *why)
{
	int rc = may_look(request->pid, request, why);

	rc = rc ? rc : take_snapshot(request, ret_snapshot, why);
	rc = rc ? rc : may_look((*ret_snapshot)->twin, request, why);
	return rc ? rc : look_at_files(request, *ret_snapshot);
}

struct parcel {
	struct holder_answer answer;
	int fds[HOLDER_FDS_MAX];
	unsigned nr_fds;
};

static void add_fd(struct parcel *parcel, enum holder_fd what, int fd)
{
	if (fd < 0)
		return;
	parcel->answer.fds |= what;
	parcel->fds[parcel->nr_fds++] = fd;
}

static int add_desc(struct parcel *parcel, const struct image *image)
{
	CLEANUP_FREE void *desc = NULL;
	uint64_t start_ns = io_monotonic_ns();
	size_t bytes;
	int fd, rc;

	rc = desc_encode(image, &desc, &bytes);
	if (!rc)
		desc_note_encoded(desc, io_monotonic_ns() - start_ns);
	rc = rc ? rc : io_memfd("mitosis-descriptor", desc, bytes, &fd);
	if (rc)
		return rc;
	add_fd(parcel, HOLDER_DESC, fd);
	parcel->answer.desc_bytes = bytes;
	return 0;
}

static int add_mem(struct parcel *parcel, pid_t twin)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", twin);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	add_fd(parcel, HOLDER_MEM, fd);
	parcel->answer.twin = twin;
	return 0;
}

static int add_runs(struct parcel *parcel, const struct snapshot *snapshot)
{
	int fd, rc;

	if (!snapshot->nr_shared_runs)
		return 0;
	rc = io_memfd("mitosis-runs", snapshot->shared_runs,
		      snapshot->nr_shared_runs * sizeof(struct image_run), &fd);
	if (rc)
		return rc;
	add_fd(parcel, HOLDER_RUNS, fd);
	parcel->answer.nr_shared_runs = snapshot->nr_shared_runs;
	return 0;
}

/* In the order of enum holder_fd. */
static int fill(struct parcel *parcel, const struct snapshot *snapshot)
{
	int rc = add_desc(parcel, snapshot->image);

	rc = rc ? rc : add_mem(parcel, snapshot->twin);
	if (rc)
		return rc;
	add_fd(parcel, HOLDER_EXE, snapshot->exe_fd);
	add_fd(parcel, HOLDER_SHARED, snapshot->shared_fd);
	return add_runs(parcel, snapshot);
}

static int pack(struct parcel *parcel, const struct snapshot *snapshot)
{
	int rc = fill(parcel, snapshot);

	if (!rc)
		return 0;
	return refuse(&parcel->answer.why, rc, "its description: %s",
		      io_strerror(rc));
}

static int send_parcel(int sock, const struct parcel *parcel)
{
	return io_send_fds(sock, &parcel->answer, sizeof(parcel->answer),
			   parcel->fds, parcel->nr_fds);
}

/* Until the far end of @sock or the twin is gone. */
static void hold(int sock, const struct snapshot *snapshot)
{
	int pidfd = (int)syscall(SYS_pidfd_open, snapshot->twin, 0);
	struct pollfd ends[] = {
		{.fd = sock, .events = POLLIN},
		{.fd = pidfd, .events = POLLIN},
	};
	struct lender lender = LENDER_NONE;
	int rc = 0;

	while (rc == 0 && !ends[1].revents) {
		if (poll(ends, 2, -1) < 0)
			rc = errno == EINTR ? 0 : -errno;
		else if (ends[0].revents)
			rc = lending_serve(sock, snapshot, &lender);
	}
	lender_close(&lender);
}

_Noreturn void holder_run(int sock)
{
	struct keeper_request request;
	struct snapshot *snapshot = NULL;
	struct parcel parcel = {0};
	int rc;

	sock = leave_parent(sock);
	if (!is_asked(sock)) /* a spare, which has time */
		gadgets_learn();
	harden();
	if (io_read_all(sock, &request, sizeof(request)))
		_exit(0); /* nobody wants it any more */
	request.snapshot.maker_fd = sock;
	rc = take(&request, &snapshot, &parcel.answer.why);
	rc = rc ? rc : pack(&parcel, snapshot);
	parcel.answer.error = rc;
	if (rc)
		parcel.nr_fds = 0;
	if (send_parcel(sock, &parcel) == 0 && rc == 0) {
		for (unsigned i = 0; i < parcel.nr_fds; i++)
			if (parcel.fds[i] != snapshot->exe_fd &&
			    parcel.fds[i] != snapshot->shared_fd)
				(void)close(parcel.fds[i]);
		hold(sock, snapshot);
	}
	/* The twin dies with its tracer; waiting for it tells when it has. */
	if (snapshot)
		snapshot_release(snapshot);
	_exit(0);
}
