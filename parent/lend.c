/* SPDX-License-Identifier: MIT */
#include "parent/lend.h"

#include <errno.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "parent/lend_layout.h"
#include "parent/tracee.h"

extern const uint8_t lend_code[], lend_done[], lend_code_end[];

#define ATTRS 3

/* What the lender is given: the device, and the deeds. */
#define FDS 2

union control {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(FDS * sizeof(int))];
};

/* As it lies in the lender; all pointers in it are the lender's. */
struct scratch {
	struct {
		struct ib_uverbs_ioctl_hdr head;
		struct ib_uverbs_attr attrs[ATTRS];
	} command;
	struct ib_uverbs_reg_mr in;
	int32_t socks[2];
	struct msghdr message;
	struct iovec iov;
	union control control;
	uint8_t byte;
};

#define AT(field) offsetof(struct scratch, field)
_Static_assert(AT(command) == SCRATCH_COMMAND, "lend_layout.h");
_Static_assert(AT(command.attrs[2].flags) == SCRATCH_OUT_FLAGS,
	       "lend_layout.h");
_Static_assert(AT(command.attrs[2].data) == SCRATCH_OUT_DATA, "layout");
_Static_assert(AT(in.start) == SCRATCH_IN_START, "lend_layout.h");
_Static_assert(AT(in.length) == SCRATCH_IN_BYTES, "lend_layout.h");
_Static_assert(AT(in.hca_va) == SCRATCH_IN_VA, "lend_layout.h");

#define ENTRY_AT(field) offsetof(struct deeds_entry, field)
#define OUT_AT(field)	offsetof(struct ib_uverbs_reg_mr_resp, field)
_Static_assert(ENTRY_AT(error) == ENTRY_ERROR, "lend_layout.h");
_Static_assert(ENTRY_AT(mr_handle) == ENTRY_OUT, "lend_layout.h");
_Static_assert(ENTRY_AT(rkey) == ENTRY_OUT + OUT_AT(rkey), "the kernel's");
_Static_assert(OUT_AT(mr_handle) == 0, "the kernel's");
_Static_assert(sizeof(struct deeds_entry) == ENTRY_STRIDE, "lend_layout.h");
_Static_assert(sizeof(struct deeds_entry) ==
		       ENTRY_OUT + sizeof(struct ib_uverbs_reg_mr_resp),
	       "the kernel's answer is the end of it");

_Static_assert(RDMA_VERBS_IOCTL == VERBS_IOCTL, "lend_layout.h");
_Static_assert(UVERBS_ATTR_F_MANDATORY == ATTR_MANDATORY, "lend_layout.h");

/* A registration under way. */
struct lending {
	struct lender *lender;
	const struct lend_job *job;
	int deeds_fd;
	struct scratch scratch; /* our copy */
	/* Where all lie in the lender; deeds_bytes are whole pages. */
	uint64_t code_raddr, raddr, deeds_raddr;
	size_t deeds_bytes;
};

#define BYTES page_ceil(sizeof(struct scratch))

/* A call that must not fail: then *@ret is its result, 0 or more. */
static int call(const struct lending *lending, long nr, const uint64_t args[6],
		uint64_t *ret)
{
	int64_t result;
	int rc = borrow_call(&lending->lender->borrowed, nr, args, &result);

	if (rc == 0 && result < 0 && result >= -4095)
		rc = (int)result;
	if (rc == 0)
		*ret = (uint64_t)result;
	return rc;
}

/* Where the kernel finds room: that is in no area, so no part of the image. */
static int map(const struct lending *lending, size_t bytes, int prot,
	       uint64_t *ret_raddr)
{
	const uint64_t args[6] = {0,
				  bytes,
				  (uint64_t)prot,
				  MAP_PRIVATE | MAP_ANONYMOUS,
				  (uint64_t)-1,
				  0};

	return call(lending, SYS_mmap, args, ret_raddr);
}

/*
 * The memory of one that was killed reads and writes as nothing, and with an
 * error while it is being taken away: nothing else stops us there.
 */
static int put(const struct lending *lending, uint64_t raddr, const void *from,
	       size_t bytes)
{
	ssize_t done =
		pwrite(lending->lender->mem_fd, from, bytes, (off_t)raddr);

	return done == (ssize_t)bytes ? 0 : -ESRCH;
}

static int get(const struct lending *lending, size_t offset, void *to,
	       size_t bytes)
{
	return io_pread_all(lending->lender->mem_fd, to, bytes,
			    (off_t)(lending->raddr + offset))
		       ? -ESRCH
		       : 0;
}

static void fill_command(struct lending *lending)
{
	const struct lend_job *job = lending->job;
	struct scratch *scratch = &lending->scratch;
	const struct ib_uverbs_attr attrs[ATTRS] = {
		{.attr_id = UVERBS_ATTR_WRITE_CMD,
		 .len = sizeof(uint64_t),
		 .data = IB_USER_VERBS_CMD_REG_MR},
		{.attr_id = UVERBS_ATTR_CORE_IN,
		 .len = sizeof(scratch->in),
		 .data = lending->raddr + AT(in)},
		{.attr_id = UVERBS_ATTR_CORE_OUT,
		 .len = sizeof(struct ib_uverbs_reg_mr_resp)},
	};

	scratch->command.head = (struct ib_uverbs_ioctl_hdr){
		.length = sizeof(scratch->command),
		.object_id = UVERBS_OBJECT_DEVICE,
		.method_id = UVERBS_METHOD_INVOKE_WRITE,
		.num_attrs = ATTRS,
		.driver_id = job->driver_id,
	};
	memcpy(scratch->command.attrs, attrs, sizeof(attrs));
	for (unsigned i = 0; i < ATTRS; i++)
		scratch->command.attrs[i].flags = UVERBS_ATTR_F_MANDATORY;
	scratch->in.pd_handle = job->pd_handle;
	scratch->in.access_flags = job->access;
}

/* The message that will bring the descriptor: pointers of the lender's. */
static void fill_message(struct lending *lending)
{
	struct scratch *scratch = &lending->scratch;
	const uintptr_t base = lending->raddr;

	scratch->iov.iov_base = (void *)(base + AT(byte));
	scratch->iov.iov_len = 1;
	scratch->message.msg_iov = (void *)(base + AT(iov));
	scratch->message.msg_iovlen = 1;
	scratch->message.msg_control = (void *)(base + AT(control));
	scratch->message.msg_controllen = sizeof(scratch->control);
}

static int move_in(struct lending *lending)
{
	const size_t code_bytes = (size_t)(lend_code_end - lend_code);
	int rc = map(lending, PAGE_BYTES, PROT_READ | PROT_EXEC,
		     &lending->code_raddr);

	rc = rc ? rc
		: map(lending, BYTES, PROT_READ | PROT_WRITE, &lending->raddr);
	if (rc)
		return rc;
	fill_command(lending);
	fill_message(lending);
	rc = put(lending, lending->code_raddr, lend_code, code_bytes);
	return rc ? rc
		  : put(lending, lending->raddr, &lending->scratch,
			sizeof(lending->scratch));
}

/* Send the descriptors into the far end of the lender's pair, which we take. */
static int send_fds(const struct lending *lending, int sock)
{
	CLEANUP_CLOSE int ours =
		(int)syscall(SYS_pidfd_getfd, lending->lender->pidfd, sock, 0);
	const int fds[FDS] = {lending->job->cmd_fd, lending->deeds_fd};
	int rc = ours < 0 ? -errno : io_send_fds(ours, "x", 1, fds, FDS);

	/* Its descriptors go before it does. */
	return rc == -EPIPE || rc == -EBADF ? -ESRCH : rc;
}

static int take_fds(const struct lending *lending, int ret_fds[FDS])
{
	union control control;
	struct msghdr message;
	int rc = get(lending, AT(message), &message, sizeof(message));

	rc = rc ? rc : get(lending, AT(control), &control, sizeof(control));
	if (rc)
		return rc;
	if ((message.msg_flags & MSG_CTRUNC) ||
	    control.head.cmsg_len != CMSG_LEN(FDS * sizeof(int)))
		return -EMFILE;
	memcpy(ret_fds, CMSG_DATA(&control.head), FDS * sizeof(int));
	return 0;
}

/* Give the lender the descriptors: @ret_fds are their numbers there. */
static int hand_over(const struct lending *lending, int ret_fds[FDS])
{
	const uint64_t pair[6] = {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				  lending->raddr + AT(socks)};
	uint64_t receive[6] = {0, lending->raddr + AT(message),
			       MSG_DONTWAIT | MSG_CMSG_CLOEXEC};
	int32_t socks[2];
	uint64_t result;
	int rc = call(lending, SYS_socketpair, pair, &result);

	rc = rc ? rc : get(lending, AT(socks), socks, sizeof(socks));
	rc = rc ? rc : send_fds(lending, socks[1]);
	if (rc)
		return rc;
	receive[0] = (uint64_t)socks[0];
	rc = call(lending, SYS_recvmsg, receive, &result);
	return rc ? rc : take_fds(lending, ret_fds);
}

/* All there at once: no fault is to come between the kernel and its answer. */
static int map_deeds(struct lending *lending, int fd)
{
	const uint64_t args[6] = {0,
				  lending->deeds_bytes,
				  PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_POPULATE,
				  (uint64_t)fd,
				  0};

	return call(lending, SYS_mmap, args, &lending->deeds_raddr);
}

static int run(const struct lending *lending, int fd)
{
	const pid_t pid = lending->lender->borrowed.pid;
	struct user_regs_struct regs;
	int rc = tracee_get_regs(pid, &regs);

	if (rc)
		return rc;
	regs.rip = lending->code_raddr;
	regs.orig_rax = UINT64_MAX;
	regs.r13 = lending->raddr;
	regs.rbx = lending->deeds_raddr;
	regs.r12 = lending->job->nr_ranges;
	regs.rbp = (uint64_t)fd;
	return borrow_run(pid, &regs,
			  lending->code_raddr +
				  (uint64_t)(lend_done - lend_code));
}

static int move_out(const struct lending *lending)
{
	const uint64_t fds[6] = {0, ~0u, 0};
	const uint64_t code[6] = {lending->code_raddr, PAGE_BYTES};
	const uint64_t data[6] = {lending->raddr, BYTES};
	const uint64_t deeds[6] = {lending->deeds_raddr, lending->deeds_bytes};
	uint64_t result;
	int rc = call(lending, SYS_close_range, fds, &result);

	rc = rc ? rc : call(lending, SYS_munmap, code, &result);
	rc = rc ? rc : call(lending, SYS_munmap, data, &result);
	return rc ? rc : call(lending, SYS_munmap, deeds, &result);
}

int lend_register(struct lender *lender, const struct lend_job *job,
		  int deeds_fd)
{
	struct lending lending = {
		.lender = lender,
		.job = job,
		.deeds_fd = deeds_fd,
		.deeds_bytes =
			page_ceil(job->nr_ranges * sizeof(struct deeds_entry)),
	};
	int fds[FDS];
	int rc = move_in(&lending);

	rc = rc ? rc : hand_over(&lending, fds);
	rc = rc ? rc : map_deeds(&lending, fds[1]);
	rc = rc ? rc : run(&lending, fds[0]);
	return rc ? rc : move_out(&lending);
}
