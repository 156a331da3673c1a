/* SPDX-License-Identifier: MIT */
#include "parent/lender.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "parent/gadget.h"
#include "parent/tracee.h"
#include "parent/twin.h"

#define DESCRIPTORS 64u /* a socket pair and the device's */

static int open_mem(pid_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* root of a user namespace may look at all that was made in it. */
static int check_user_ns(pid_t twin, struct refusal *why)
{
	struct stat ours, its;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", twin);
	if (stat("/proc/self/ns/user", &ours) || stat(path, &its))
		return -errno;
	if (ours.st_ino != its.st_ino || ours.st_dev != its.st_dev)
		return refuse(why, -EOPNOTSUPP,
			      "it is in another user namespace");
	return 0;
}

/*
 * Above what the target may: for root.  For others as far as they can, and a
 * call that fails for it says so.
 */
static void lift_limits(pid_t twin)
{
	static const struct {
		int resource;
		rlim_t wanted;
	} limits[] = {
		{RLIMIT_NPROC, RLIM_INFINITY},	 {RLIMIT_NOFILE, DESCRIPTORS},
		{RLIMIT_AS, RLIM_INFINITY},	 {RLIMIT_DATA, RLIM_INFINITY},
		{RLIMIT_MEMLOCK, RLIM_INFINITY}, {RLIMIT_CPU, RLIM_INFINITY},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct rlimit now, lifted;

		if (prlimit(twin, limits[i].resource, NULL, &now) ||
		    now.rlim_cur >= limits[i].wanted)
			continue;
		lifted.rlim_cur = limits[i].wanted;
		lifted.rlim_max = now.rlim_max > limits[i].wanted
					  ? now.rlim_max
					  : limits[i].wanted;
		if (!prlimit(twin, limits[i].resource, &lifted, NULL))
			continue;
		now.rlim_cur = now.rlim_max;
		(void)prlimit(twin, limits[i].resource, &now, NULL);
	}
}

static int find_code(pid_t twin, const struct image *image,
		     struct gadgets *ret_gadgets, struct refusal *why)
{
	CLEANUP_CLOSE int mem_fd = open_mem(twin);

	if (mem_fd < 0)
		return mem_fd;
	return gadgets_find(mem_fd, image->vmas, image->nr_vmas, ret_gadgets,
			    why);
}

/*
 * From here on only root can look into the twin.  A user's own daemon could
 * not do so either then, and has nothing to hide from that user.
 */
static int hide(const struct borrowed *twin)
{
	const uint64_t args[6] = {PR_SET_DUMPABLE, 0};
	int64_t result;
	int rc = geteuid() == 0 ? borrow_call(twin, SYS_prctl, args, &result)
				: (int)(result = 0);

	return rc ? rc : (int)result;
}

/* Born stopped, traced by us with the twin's options, a child of its parent. */
static int clone_it(const struct borrowed *twin, pid_t *ret_pid)
{
	const uint64_t args[6] = {CLONE_PARENT | CLONE_PTRACE};
	struct tracee_stop stop;
	int64_t result;
	pid_t got;
	int rc = borrow_call(twin, SYS_clone, args, &result);

	if (rc || result < 0)
		return rc ? rc : (int)result;
	do
		got = tracee_wait(-1, &stop);
	while (got == -EINTR);
	if (got < 0 || got == twin->pid || stop.event != TRACEE_STOP)
		return -ESRCH;
	*ret_pid = got;
	return 0;
}

/* Its memory is beyond others' reach: what is seen now stays so. */
static int settle(struct lender *lender, const struct gadgets *gadgets)
{
	lender->pidfd = (int)syscall(SYS_pidfd_open, lender->borrowed.pid, 0);
	if (lender->pidfd < 0)
		return -errno;
	lender->mem_fd = open_mem(lender->borrowed.pid);
	if (lender->mem_fd < 0)
		return lender->mem_fd;
	return gadgets_hold(gadgets, lender->mem_fd) ? 0 : -EPERM;
}

static int make(pid_t twin, const struct gadgets *gadgets,
		struct lender *lender)
{
	const struct borrowed borrowed = {twin, gadgets->syscall_ret};
	int rc;

	lift_limits(twin);
	rc = hide(&borrowed);
	rc = rc ? rc : clone_it(&borrowed, &lender->borrowed.pid);
	if (rc)
		return rc;
	lender->borrowed.syscall_ret = gadgets->syscall_ret;
	rc = settle(lender, gadgets);
	if (rc)
		lender_close(lender);
	return rc;
}

int lender_open(pid_t twin, const struct image *image,
		struct lender *ret_lender, struct refusal *why)
{
	struct lender lender = LENDER_NONE;
	struct gadgets gadgets;
	int rc = check_user_ns(twin, why);

	rc = rc ? rc : find_code(twin, image, &gadgets, why);
	if (rc)
		return rc;
	rc = make(twin, &gadgets, &lender);
	if (rc)
		return refuse(why, rc, "cannot copy its twin: %s",
			      strerror(-rc));
	*ret_lender = lender;
	return 0;
}

void lender_close(struct lender *lender)
{
	twin_end(lender->borrowed.pid);
	cleanup_close(&lender->mem_fd);
	cleanup_close(&lender->pidfd);
	*lender = LENDER_NONE;
}
