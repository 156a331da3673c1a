/* SPDX-License-Identifier: MIT */
#include "parent/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/inject.h"
#include "parent/tracee.h"

#define OOM_FIRST "1000"

static void go_first_without_memory(pid_t twin)
{
	CLEANUP_CLOSE int fd = -1;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", twin);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)io_write_all(fd, OOM_FIRST, sizeof(OOM_FIRST) - 1);
}

/* Run the graft's questions; it stops at its done signal. */
static int ask(pid_t twin, const struct graft *graft,
	       const struct user_regs_struct *regs)
{
	struct user_regs_struct at = *regs;
	struct tracee_stop stop = {.event = TRACEE_STOP};
	pid_t got;
	int rc;

	graft_enter_twin(graft, &at);
	rc = tracee_set_regs(twin, &at);
	while (rc == 0 && stop.event != TRACEE_SIGNAL) {
		rc = tracee_resume(twin, false);
		do
			got = tracee_wait(twin, &stop);
		while (got == -EINTR);
		if (rc == 0 && (got < 0 || stop.event == TRACEE_GONE))
			rc = -ESRCH;
	}
	rc = rc ? rc : tracee_get_regs(twin, &at);
	if (rc == 0 && at.rip != graft_done_ip(graft))
		rc = -EIO;
	return rc;
}

static int open_mem(pid_t twin, int flags)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", twin);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_answers(pid_t twin, const struct graft *graft,
			struct image *image)
{
	CLEANUP_CLOSE int mem_fd = open_mem(twin, O_RDONLY);
	struct graft_prctls prctls = {0};
	int rc;

	if (mem_fd < 0)
		return mem_fd;
	rc = io_pread_all(mem_fd, image->sigactions, sizeof(image->sigactions),
			  (off_t)graft_sigactions_raddr(graft));
	rc = rc ? rc
		: io_pread_all(mem_fd, &prctls, sizeof(prctls),
			       (off_t)graft_prctls_raddr(graft));
	rc = rc ? rc
		: io_pread_all(mem_fd, &image->mm.brk, sizeof(image->mm.brk),
			       (off_t)graft_brk_raddr(graft));
	image->dumpable = prctls.dumpable > 0 ? (uint32_t)prctls.dumpable : 0;
	image->securebits =
		prctls.securebits > 0 ? (uint32_t)prctls.securebits : 0;
	image->thp_disable =
		prctls.thp_disable > 0 ? (uint32_t)prctls.thp_disable : 0;
	return rc;
}

/* 0 or -ESRCH, -EIO; the result of the call in *@ret_result. */
static int call_in(pid_t twin, const struct gadgets *gadgets,
		   const struct inject_call *call, int64_t *ret_result)
{
	struct seized_thread thread = {.tid = twin};
	struct inject inject = {.thread = &thread, .gadgets = *gadgets};
	int rc = tracee_get_regs(twin, &thread.regs);

	inject.frame_raddr = thread.regs.rsp; /* never returned to */
	return rc ? rc : inject_call(&inject, call, ret_result);
}

static int unmap(pid_t twin, const struct gadgets *gadgets, uint64_t raddr,
		 uint64_t bytes)
{
	const struct inject_call call = {.nr = SYS_munmap,
					 .args = {raddr, bytes}};
	int64_t result;
	int rc = call_in(twin, gadgets, &call, &result);

	return rc ? rc : (int)result;
}

/*
 * The twin asks for all CPUs itself, which takes no privilege, and gets those
 * of its cgroup.  Where the answers were there is room.
 */
static int unbind(pid_t twin, const struct graft *graft,
		  const struct gadgets *gadgets)
{
	const uint64_t raddr = graft_sigactions_raddr(graft);
	CLEANUP_CLOSE int mem_fd = open_mem(twin, O_WRONLY);
	uint8_t all[IMAGE_CPUS_BYTES_MAX];
	const struct inject_call call = {.nr = SYS_sched_setaffinity,
					 .args = {0, sizeof(all), raddr}};
	int64_t result;

	_Static_assert(sizeof(all) <= sizeof(((struct image *)0)->sigactions),
		       "it has the room of these");
	memset(all, 0xff, sizeof(all));
	if (mem_fd < 0)
		return mem_fd;
	if (pwrite(mem_fd, all, sizeof(all), (off_t)raddr) != sizeof(all))
		return -EIO;
	return call_in(twin, gadgets, &call, &result);
}

int twin_keep(pid_t twin, unsigned long options)
{
	return tracee_set_options(twin, options | PTRACE_O_EXITKILL);
}

int twin_settle(pid_t twin, const struct graft *graft,
		const struct gadgets *gadgets, struct image *image)
{
	struct user_regs_struct regs;
	int rc;

	go_first_without_memory(twin);
	rc = tracee_get_regs(twin, &regs);
	rc = rc ? rc : ask(twin, graft, &regs);
	rc = rc ? rc : read_answers(twin, graft, image);
	rc = rc ? rc : unbind(twin, graft, gadgets);
	/* From here on it has no code to run: it only lies still and dies. */
	return rc ? rc : unmap(twin, gadgets, graft->base, graft->bytes);
}

static bool is_segment(const struct image_vma *vma)
{
	return vma->kind == IMAGE_VMA_SHARED && !strncmp(vma->name, "/SYSV", 5);
}

static bool is_private_huge(const struct image_vma *vma)
{
	return (vma->flags & IMAGE_VMA_HUGETLB) &&
	       !(vma->flags & IMAGE_VMA_SHARED_MAP);
}

int twin_drop_copied(pid_t twin, const struct gadgets *gadgets,
		     const struct image *image)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (is_segment(vma) || is_private_huge(vma))
			rc = unmap(twin, gadgets, vma->start,
				   vma->end - vma->start);
	}
	return rc;
}

int twin_put_zeros(pid_t twin, uint64_t raddr, size_t bytes)
{
	CLEANUP_CLOSE int mem_fd = -1;

	if (!bytes)
		return 0;
	mem_fd = open_mem(twin, O_WRONLY);
	return mem_fd < 0 ? mem_fd : inject_put_zeros(mem_fd, raddr, bytes);
}

bool twin_is_dead(pid_t twin)
{
	struct user_regs_struct regs;

	return tracee_get_regs(twin, &regs) == -ESRCH;
}

void twin_end(pid_t twin)
{
	struct tracee_stop stop = {.event = TRACEE_STOP};
	pid_t got = 0;

	if (!twin)
		return;
	(void)kill(twin, SIGKILL);
	while (got == -EINTR || (got >= 0 && stop.event != TRACEE_GONE))
		got = tracee_wait(twin, &stop);
}
