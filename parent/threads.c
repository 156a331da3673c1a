/* SPDX-License-Identifier: MIT */
#include "parent/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parent/cpus.h"
#include "parent/restart.h"
#include "parent/tracee.h"

#define CODE_SEGMENT_64 0x33

/* Since Linux 6.4; the C library's headers may be older. */
#define GET_SYSCALL_USER_DISPATCH 0x4211

struct dispatch_config {
	uint64_t mode, selector, offset, len;
};

_Static_assert(sizeof(struct user_regs_struct) == IMAGE_REGS * sizeof(uint64_t),
	       "an image has the kernel's order of registers");

static int get_xstate(pid_t tid, struct image_thread *thread)
{
	uint8_t buf[IMAGE_XSTATE_MAX + 8]; /* a multiple of 8 */
	int rc =
		tracee_get_xstate(tid, buf, sizeof(buf), &thread->xstate_bytes);

	if (rc)
		return rc;
	thread->xstate = malloc(thread->xstate_bytes);
	if (!thread->xstate)
		return -ENOMEM;
	memcpy(thread->xstate, buf, thread->xstate_bytes);
	return 0;
}

static void get_rseq(pid_t tid, struct image_thread *thread)
{
	struct __ptrace_rseq_configuration config;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, (void *)sizeof(config),
		   &config) != sizeof(config))
		return;
	thread->rseq_addr = config.rseq_abi_pointer;
	thread->rseq_bytes = config.rseq_abi_size;
	thread->rseq_sig = config.signature;
}

static void get_robust_list(pid_t tid, struct image_thread *thread)
{
	void *head = NULL;
	size_t bytes = 0;

	if (syscall(SYS_get_robust_list, tid, &head, &bytes) == 0) {
		thread->robust_list_addr = (uint64_t)head;
		thread->robust_list_bytes = bytes;
	}
}

/* A cut sequence must not go on: the kernel aborts it, and so do we. */
static bool abort_rseq(int mem_fd, const struct image_thread *thread,
		       struct user_regs_struct *regs)
{
	const off_t rseq_cs = 8; /* offset in struct rseq */
	uint64_t cs_raddr = 0;
	struct {
		uint32_t version, flags;
		uint64_t start_ip, post_commit_offset, abort_ip;
	} cs;

	if (!thread->rseq_addr ||
	    pread(mem_fd, &cs_raddr, sizeof(cs_raddr),
		  (off_t)thread->rseq_addr + rseq_cs) != sizeof(cs_raddr) ||
	    !cs_raddr ||
	    pread(mem_fd, &cs, sizeof(cs), (off_t)cs_raddr) != sizeof(cs) ||
	    regs->rip - cs.start_ip >= cs.post_commit_offset)
		return false;
	regs->rip = cs.abort_ip;
	return true;
}

/* Give the thread its corrected registers now: we may die before the end. */
static int correct(struct seized_thread *seized, int mem_fd,
		   const struct image_thread *thread, uint64_t waiting)
{
	bool changed = abort_rseq(mem_fd, thread, &seized->regs);

	if (restart_is_repeatable(&seized->regs) &&
	    !(waiting & ~seized->sigmask)) {
		restart_repeat(&seized->regs);
		changed = true;
	}
	return changed ? tracee_set_regs(seized->tid, &seized->regs) : 0;
}

static int check(const struct seized_thread *seized, struct refusal *why)
{
	struct dispatch_config dispatch = {0};

	if (seized->regs.cs != CODE_SEGMENT_64)
		return refuse(why, -EOPNOTSUPP, "thread %d runs 32-bit code",
			      seized->tid);
	(void)ptrace(GET_SYSCALL_USER_DISPATCH, seized->tid,
		     (void *)sizeof(dispatch), &dispatch);
	if (dispatch.mode)
		return refuse(why, -EOPNOTSUPP,
			      "thread %d handles its own system calls (system "
			      "call user dispatch)",
			      seized->tid);
	return 0;
}

static int capture_one(struct seized_thread *seized, int mem_fd,
		       struct image_thread *thread, uint64_t waiting)
{
	int rc = get_xstate(seized->tid, thread);

	if (rc)
		return rc;
	rc = cpus_take(seized->tid, thread);
	if (rc)
		return rc;
	get_rseq(seized->tid, thread);
	get_robust_list(seized->tid, thread);
	rc = correct(seized, mem_fd, thread, waiting);
	memcpy(thread->regs, &seized->regs, sizeof(thread->regs));
	thread->sigmask = seized->sigmask;
	thread->tid = seized->tid;
	thread->restart_nr = -1;
	return rc;
}

int threads_capture(struct seized *seized, int mem_fd, struct image *image,
		    struct pending *pending, struct refusal *why)
{
	uint64_t for_all, for_one;
	int rc;

	rc = pending_add(pending, seized->pid, true, &for_all);
	if (rc)
		return rc;
	image->threads = calloc(seized->nr, sizeof(*image->threads));
	if (!image->threads)
		return -ENOMEM;
	image->nr_threads = seized->nr;
	for (uint32_t i = 0; i < seized->nr; i++) {
		struct seized_thread *thread = &seized->threads[i];

		rc = check(thread, why);
		if (rc)
			return rc;
		rc = pending_add(pending, thread->tid, false, &for_one);
		if (rc)
			return rc;
		rc = capture_one(thread, mem_fd, &image->threads[i],
				 for_all | for_one);
		if (rc)
			return rc;
	}
	return 0;
}
