/* SPDX-License-Identifier: MIT */
/*
 * jump.c - one memfd holds code, frames, data and steps
 */
#include "loader/jump.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <sys/rseq.h>
#endif

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* kernel 6.3 */
#endif

#define RSEQ_BYTES_FIRST 32u
#define RSEQ_BYTES_MAX	 512u

/* loader/blob/embed.S */
extern const uint8_t jump_blob_start[], jump_blob_end[];

uint64_t jump_code_bytes(void)
{
	return page_ceil((uint64_t)(jump_blob_end - jump_blob_start));
}

static int make_memfd(void)
{
	int fd = memfd_create(PLAN_MEMFD, MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(PLAN_MEMFD, MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int put(int fd, const struct plan *plan, uint64_t addr,
	       const struct iovec *from)
{
	off_t at = (off_t)(addr - plan->facts->hole);
	const uint8_t *bytes = from->iov_base;
	size_t left = from->iov_len;

	while (left) {
		ssize_t done = pwrite(fd, bytes, left, at);

		if (done < 0)
			return -errno;
		bytes += done;
		at += done;
		left -= (size_t)done;
	}
	return 0;
}

static int write_all(int fd, const struct plan *plan)
{
	const struct {
		uint64_t addr;
		struct iovec from;
	} parts[] = {
		{plan->facts->hole,
		 {(void *)jump_blob_start,
		  (size_t)(jump_blob_end - jump_blob_start)}},
		{plan->frames_addr, {plan->frames, plan->frames_bytes}},
		{plan->steps.data_addr,
		 {plan->steps.data, plan->steps.data_bytes}},
		{plan_steps_addr(plan),
		 {plan->steps.list, plan->steps.nr * sizeof(struct blob_step)}},
	};

	if (ftruncate(fd, (off_t)(plan->end_addr - plan->facts->hole)) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int error = put(fd, plan, parts[i].addr, &parts[i].from);

		if (error)
			return error;
	}
	return 0;
}

static int map_part(int fd, const struct plan *plan, uint64_t start,
		    uint64_t end, int prot)
{
	void *at = mmap((void *)start, end - start, prot,
			MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
			(off_t)(start - plan->facts->hole));

	return at == MAP_FAILED ? -errno : 0;
}

static int map_all(int fd, const struct plan *plan)
{
	int error = map_part(fd, plan, plan->facts->hole, plan->frames_addr,
			     PROT_READ | PROT_EXEC);

	if (error)
		return error;
	return map_part(fd, plan, plan->frames_addr, plan->end_addr,
			PROT_READ | PROT_WRITE);
}

/*
 * glibc registered an area that is about to be unmapped; the kernel would kill
 * us for it.  The length must be the registered one, which libc does not tell.
 * musl registers none.
 */
static void unregister_rseq(void)
{
#ifdef __GLIBC__
	uint8_t *area = (uint8_t *)__builtin_thread_pointer() + __rseq_offset;

	if (!__rseq_size)
		return;
	for (uint32_t len = RSEQ_BYTES_FIRST; len <= RSEQ_BYTES_MAX; len += 32)
		if (syscall(SYS_rseq, area, len, RSEQ_FLAG_UNREGISTER,
			    RSEQ_SIG) == 0)
			return;
#endif
}

static JUMP_NO_RETURN void enter(const struct plan *plan)
{
	__asm__ volatile(
		"mov %0, %%rsp\n\t"
		"jmp *%1"
		:
		: "r"(plan->stacks_addr + BLOB_STACK_BYTES),
		  "r"(plan->facts->hole), "D"(plan->frames_addr)
		: "memory");
	__builtin_unreachable();
}

/* Only this process knows its own pid: its copy of the table gets it. */
static void set_own_pid(const struct plan *plan)
{
	struct blob_step *steps = (struct blob_step *)plan_steps_addr(plan);

	for (uint32_t i = 0; i < plan->nr_own_pid_steps; i++)
		steps[plan->own_pid_steps[i]].args[0] = (uint64_t)getpid();
}

int jump_prepare(const struct plan *plan)
{
	CLEANUP_CLOSE int fd = make_memfd();
	int error;

	if (fd < 0)
		return fd;
	error = write_all(fd, plan);
	return error ? error : map_all(fd, plan);
}

void jump_go(const struct plan *plan, bool has_rseq)
{
	set_own_pid(plan);
	if (has_rseq)
		unregister_rseq();
	enter(plan);
}
