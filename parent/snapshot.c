/* SPDX-License-Identifier: MIT */
#include "parent/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/lap.h"
#include "parent/admit.h"
#include "parent/answers.h"
#include "parent/aside.h"
#include "parent/capture.h"
#include "parent/cpus.h"
#include "parent/fds.h"
#include "parent/forkless.h"
#include "parent/gadget.h"
#include "parent/pause.h"
#include "parent/restart.h"
#include "parent/runs.h"
#include "parent/shared.h"
#include "parent/tracee.h"
#include "parent/twin.h"
#include "parent/vmas.h"
#include "parent/vmatwin.h"

#define TRIES 3 /* of what the target can make vain by changing */

/*
 * How long other images of the same process are waited for.  A pause is some
 * ms, of a parent with many GiB some hundred, and many may want one at once.
 */
#define TURN_NS	     15000000000ull
#define TURN_LOOK_US 2000

#define DEFAULT_STOP_MS 200

/* What is known of the target before it stops, and needed until the end. */
struct before {
	struct procfs_status status;
	int mem_fd;
	struct image_vma *vmas;
	uint32_t nr_vmas;
	struct fds *fds;
	struct shared *shared;
	struct gadgets gadgets;
};

static void before_free(struct before *before)
{
	procfs_status_free(&before->status);
	if (before->mem_fd >= 0)
		(void)close(before->mem_fd);
	vmas_free(before->vmas, before->nr_vmas);
	fds_free(before->fds);
	shared_free(before->shared);
}

static int open_mem(pid_t pid, struct refusal *why)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return refuse(why, -EPERM, "you may not trace it");
	return errno == ENOENT ? -ESRCH : -errno;
}

static int prepare_shared(pid_t pid, const struct snapshot_options *options,
			  struct before *before, struct refusal *why)
{
	const struct shared_origin origin = {pid, before->mem_fd, before->vmas,
					     before->nr_vmas,
					     options->shared_max_bytes};

	return shared_prepare(&origin, &before->shared, why);
}

/* Everything that can be looked at while the target runs. */
static int look_before(pid_t pid, const struct snapshot_options *options,
		       struct image *image, struct before *before,
		       struct refusal *why)
{
	int rc = admit_check(pid, &before->status, why);

	if (rc)
		return rc;
	before->mem_fd = open_mem(pid, why);
	if (before->mem_fd < 0)
		return before->mem_fd;
	rc = vmas_read(pid, &before->vmas, &before->nr_vmas, why);
	if (rc == -EPROTO) /* the kernel pieces it together while areas move */
		rc = refuse(why, -ESTALE, "its memory areas move; try again");
	if (rc == 0 && before->nr_vmas == 0)
		rc = refuse(why, -ESRCH, "it has ended");
	rc = rc ? rc
		: gadgets_find(before->mem_fd, before->vmas, before->nr_vmas,
			       &before->gadgets, why);
	rc = rc ? rc : fds_scan(pid, &before->fds, why);
	rc = rc ? rc : prepare_shared(pid, options, before, why);
	return rc ? rc : capture_before(pid, image);
}

/* The number of a call that restarted once: only its code still tells. */
static void find_restart_nrs(const struct before *before, struct image *image)
{
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		struct image_thread *thread = &image->threads[i];
		struct user_regs_struct regs;

		memcpy(&regs, thread->regs, sizeof(regs));
		if (restart_nr_is_lost(&regs))
			thread->restart_nr =
				restart_nr_in(before->mem_fd, &regs);
	}
}

static int take_areas(const struct before *before, struct snapshot *snapshot,
		      struct refusal *why)
{
	struct image *image = snapshot->image;
	struct runs_origin origin = {.twin = snapshot->twin};
	struct runs_found found = {0};
	int rc = vmatwin_read(snapshot->twin, before->vmas, before->nr_vmas,
			      image, why);

	if (rc)
		return rc;
	origin.vmas = image->vmas;
	origin.nr_vmas = image->nr_vmas;
	origin.shared_runs = snapshot->shared_runs;
	origin.nr_shared_runs = snapshot->nr_shared_runs;
	rc = runs_scan(&origin, &found);
	image->runs = found.runs;
	image->nr_runs = found.nr_runs;
	image->guards = found.guards;
	image->nr_guards = found.nr_guards;
	return rc;
}

/* The pause is over: what the twin and the answers still tell. */
static int finish(struct before *before, struct pause_result *result,
		  struct snapshot *snapshot, struct refusal *why)
{
	struct image *image = snapshot->image;
	uint64_t since = io_monotonic_ns();
	int rc = twin_keep(snapshot->twin, result->trace_options);

	if (rc == 0 && forkless_pages(snapshot->twin) != result->target_pages)
		rc = refuse(why, -ESTALE,
			    "memory that fork() leaves out changed just then, "
			    "or cannot be copied; try again");
	rc = rc ? rc : answers_fill(&result->graft, &result->pending, image);
	rc = rc ? rc
		: twin_settle(snapshot->twin, &result->graft, &before->gadgets,
			      image);
	rc = rc ? rc
		: twin_put_zeros(snapshot->twin, result->zeros_raddr,
				 result->zeros_bytes);
	if (rc)
		return rc;
	cpus_settle(snapshot->twin, image);
	find_restart_nrs(before, image);
	image->phase_ns[IMAGE_PHASE_SETTLE] = lap_ns(&since);
	rc = take_areas(before, snapshot, why);
	rc = rc ? rc
		: twin_drop_copied(snapshot->twin, &before->gadgets, image);
	image->phase_ns[IMAGE_PHASE_SCAN] = lap_ns(&since);
	rc = rc ? rc : fds_finish(before->fds, image);
	rc = rc ? rc : capture_finish(snapshot->twin, image, &snapshot->exe_fd);
	image->phase_ns[IMAGE_PHASE_FILES] = lap_ns(&since);
	return rc;
}

static int pause_and_finish(struct before *before, struct snapshot *snapshot,
			    const struct snapshot_options *options,
			    struct refusal *why)
{
	const struct pause_plan plan = {
		.pid = snapshot->target,
		.mem_fd = before->mem_fd,
		.maker_fd = options->maker_fd,
		.timeout_ms = options->stop_timeout_ms > 0
				      ? options->stop_timeout_ms
				      : DEFAULT_STOP_MS,
		.seccomp = before->status.seccomp,
		.caught = before->status.sig_caught,
		.gadgets = before->gadgets,
		.vmas = before->vmas,
		.nr_vmas = before->nr_vmas,
		.fds = before->fds,
		.shared = before->shared,
	};
	struct pause_result result;
	int rc = pause_run(&plan, snapshot->image, &result, why);

	if (rc)
		return rc;
	snapshot->twin = result.twin;
	snapshot->shared_fd = result.shared_fd;
	snapshot->shared_runs = result.shared_runs;
	snapshot->nr_shared_runs = result.nr_shared_runs;
	rc = finish(before, &result, snapshot, why);
	if (rc && twin_is_dead(snapshot->twin))
		rc = refuse(why, -ECANCELED,
			    "its twin was killed (by the OOM killer?)");
	graft_free(&result.graft);
	pending_free(&result.pending);
	return rc;
}

static int take(struct snapshot *snapshot,
		const struct snapshot_options *options, struct refusal *why)
{
	CLEANUP(before_free) struct before before = {.mem_fd = -1};
	uint64_t since = io_monotonic_ns();
	int rc;

	aside_step(snapshot->target);
	rc = look_before(snapshot->target, options, snapshot->image, &before,
			 why);
	snapshot->image->phase_ns[IMAGE_PHASE_LOOK] = lap_ns(&since);
	return rc ? rc : pause_and_finish(&before, snapshot, options, why);
}

static struct snapshot *snapshot_new(pid_t pid)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	snapshot->target = pid;
	snapshot->shared_fd = -1;
	snapshot->exe_fd = -1;
	snapshot->image = image_new();
	if (snapshot->image)
		return snapshot;
	free(snapshot);
	return NULL;
}

/* -ESTALE when what was seen before the pause did not hold any more. */
static int try_once(pid_t pid, const struct snapshot_options *options,
		    struct snapshot **ret_snapshot, struct refusal *why)
{
	struct snapshot *snapshot = snapshot_new(pid);
	int rc;

	if (!snapshot)
		return -ENOMEM;
	rc = take(snapshot, options, why);
	if (rc)
		snapshot_release(snapshot);
	else
		*ret_snapshot = snapshot;
	return rc;
}

/*
 * Whoever comes first when a keeper lets go has the turn: to look often costs
 * the target nothing.
 */
static int try_in_turn(pid_t pid, const struct snapshot_options *options,
		       uint64_t end_ns, struct snapshot **ret_snapshot,
		       struct refusal *why)
{
	int rc = try_once(pid, options, ret_snapshot, why);

	while (rc == -EALREADY && io_monotonic_ns() < end_ns) {
		(void)usleep(TURN_LOOK_US +
			     (useconds_t)getpid() % TURN_LOOK_US);
		rc = try_once(pid, options, ret_snapshot, why);
	}
	return rc == -EALREADY ? -EAGAIN : rc;
}

int snapshot_take(pid_t pid, const struct snapshot_options *options,
		  struct snapshot **ret_snapshot, struct refusal *ret_why)
{
	const uint64_t start_ns = io_monotonic_ns();
	struct refusal why = {0};
	int rc = -ESTALE;

	for (int tries = 0; rc == -ESTALE && tries < TRIES; tries++)
		rc = try_in_turn(pid, options, start_ns + TURN_NS, ret_snapshot,
				 &why);
	if (rc)
		return refuse(ret_why, rc == -ESTALE ? -EBUSY : rc, "%s",
			      *why.why ? why.why : strerror(-rc));
	(*ret_snapshot)->image->prepare_ns = io_monotonic_ns() - start_ns;
	return 0;
}

void snapshot_release(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	twin_end(snapshot->twin);
	image_free(snapshot->image);
	free(snapshot->shared_runs);
	if (snapshot->shared_fd >= 0)
		(void)close(snapshot->shared_fd);
	if (snapshot->exe_fd >= 0)
		(void)close(snapshot->exe_fd);
	free(snapshot);
}
