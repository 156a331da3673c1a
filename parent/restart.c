/* SPDX-License-Identifier: MIT */
#include "parent/restart.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel leaves in rax on the way out; never seen by programs. */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

#define SYSCALL_INSN_BYTES 2

/*
 * Calls that give EINTR where nothing was done yet.  Not here: close(), whose
 * EINTR has closed the descriptor.
 */
static const uint16_t repeatable[] = {
	SYS_epoll_wait,
	SYS_epoll_pwait,
	SYS_epoll_pwait2,
	SYS_semop,
	SYS_semtimedop,
	SYS_rt_sigtimedwait,
	SYS_io_getevents,
	SYS_io_pgetevents,
	/* on sockets with SO_RCVTIMEO or SO_SNDTIMEO, and FUSE files */
	SYS_read,
	SYS_readv,
	SYS_pread64,
	SYS_preadv,
	SYS_preadv2,
	SYS_write,
	SYS_writev,
	SYS_pwrite64,
	SYS_pwritev,
	SYS_pwritev2,
	SYS_accept,
	SYS_accept4,
	SYS_recvfrom,
	SYS_recvmsg,
	SYS_recvmmsg,
	SYS_sendto,
	SYS_sendmsg,
	SYS_sendmmsg,
	SYS_sendfile,
	SYS_splice,
	SYS_connect,
	SYS_open,
	SYS_openat,
	SYS_select,
	SYS_pselect6,
};

/* The only calls with a restart block. */
static const uint16_t restart_block[] = {
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_poll,
	SYS_futex,
};

static bool among(const uint16_t *list, size_t nr, uint64_t value)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i] == value)
			return true;
	return false;
}

#define AMONG(list, value) among(list, sizeof(list) / sizeof(*(list)), value)

bool restart_is_repeatable(const struct user_regs_struct *regs)
{
	return (int64_t)regs->rax == -EINTR &&
	       AMONG(repeatable, regs->orig_rax);
}

void restart_repeat(struct user_regs_struct *regs)
{
	regs->rax = regs->orig_rax;
	regs->rip -= SYSCALL_INSN_BYTES;
	regs->orig_rax = UINT64_MAX;
}

void restart_settle(struct user_regs_struct *regs)
{
	if ((int64_t)regs->orig_rax < 0)
		return;
	switch (-(int64_t)regs->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
		restart_repeat(regs);
		break;
	case ERESTART_RESTARTBLOCK:
		if (restart_nr_is_lost(regs))
			regs->rax = (uint64_t)-EINTR;
		else
			restart_repeat(regs);
		break;
	}
	regs->orig_rax = UINT64_MAX;
}

bool restart_nr_is_lost(const struct user_regs_struct *regs)
{
	return regs->orig_rax == SYS_restart_syscall &&
	       -(int64_t)regs->rax == ERESTART_RESTARTBLOCK;
}

/*
 * `mov $nr, %eax` (b8 imm32) somewhere before the `syscall`: the last one that
 * names such a call, unless an earlier one names another.
 */
int32_t restart_find_nr(const uint8_t code[RESTART_CODE_BYTES])
{
	static const uint8_t syscall_insn[] = {0x0f, 0x05};
	const size_t end = RESTART_CODE_BYTES - sizeof(syscall_insn);
	int32_t found = -1;

	if (memcmp(code + end, syscall_insn, sizeof(syscall_insn)) != 0)
		return -1;
	for (size_t i = 0; i + 5 <= end; i++) {
		uint32_t nr;

		memcpy(&nr, code + i + 1, sizeof(nr));
		if (code[i] != 0xb8 || !AMONG(restart_block, nr))
			continue;
		if (i + 5 == end)
			return (int32_t)nr;
		if (found >= 0 && found != (int32_t)nr)
			return -1;
		found = (int32_t)nr;
	}
	return found;
}

int32_t restart_nr_in(int mem_fd, const struct user_regs_struct *regs)
{
	uint8_t code[RESTART_CODE_BYTES];

	if (!restart_nr_is_lost(regs) ||
	    pread(mem_fd, code, sizeof(code),
		  (off_t)(regs->rip - sizeof(code))) != sizeof(code))
		return -1;
	return restart_find_nr(code);
}

void restart_settle_in(int mem_fd, struct user_regs_struct *regs)
{
	int32_t nr = restart_nr_in(mem_fd, regs);

	if (nr >= 0)
		regs->orig_rax = (uint64_t)nr;
	restart_settle(regs);
}
