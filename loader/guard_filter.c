/* SPDX-License-Identifier: MIT */
#include "loader/guard_filter.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/audit.h>

#include "loader/blob/sys.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1ul << 5)
#endif

#define X32_BIT		0x40000000u
#define I386_MADVISE	219
#define I386_MREMAP	163
#define NR_PROC_MADVISE 440 /* in every table */
#define NO_CALL		(~0u)
#define MOVING_FLAGS	(MREMAP_FIXED | 4 /* MREMAP_DONTUNMAP */)

#define LOAD	   (BPF_LD | BPF_W | BPF_ABS)
#define AND	   (BPF_ALU | BPF_AND | BPF_K)
#define TO_X	   (BPF_MISC | BPF_TAX)
#define IF_IS	   (BPF_JMP | BPF_JEQ | BPF_K)
#define IF_HAS	   (BPF_JMP | BPF_JSET | BPF_K)
#define IF_IS_X	   (BPF_JMP | BPF_JEQ | BPF_X)
#define IF_ABOVE_X (BPF_JMP | BPF_JGT | BPF_X)
#define RETURN	   (BPF_RET | BPF_K)

#define FIELD(name) offsetof(struct seccomp_data, name)
#define ARG_LOW(n)  (FIELD(args) + 8 * (n))
#define ARG_HIGH(n) (FIELD(args) + 8 * (n) + 4)

enum label {
	NEXT, /* the following line */
	NATIVE,
	COMPAT,
	ADVISE,
	REMOTE,
	REFUSE,
	REMAP,
	LOW_WORDS,
	COOKIE,
	ALLOW,
	NOTIFY,
	LABELS,
};

/* One line: an instruction, its name, and where it goes by name. */
struct line {
	enum label name;
	uint16_t code;
	uint32_t k;
	enum label yes, no;
};

static unsigned resolve(const struct line *lines, unsigned nr,
			struct sock_filter *ret_code)
{
	unsigned at[LABELS] = {0};

	for (unsigned i = 0; i < nr; i++)
		if (lines[i].name)
			at[lines[i].name] = i;
	for (unsigned i = 0; i < nr; i++) {
		const struct line *line = &lines[i];

		ret_code[i] = (struct sock_filter){
			.code = line->code,
			.jt = line->yes ? at[line->yes] - i - 1 : 0,
			.jf = line->no ? at[line->no] - i - 1 : 0,
			.k = line->k,
		};
	}
	return nr;
}

unsigned guard_filter_build(uint64_t cookie, bool exits,
			    struct sock_filter *ret_code)
{
	const uint32_t exit_nr = exits ? SYS_exit_group : NO_CALL;
	const struct line lines[] = {
		{NEXT, LOAD, FIELD(arch)},
		{NEXT, IF_IS, AUDIT_ARCH_X86_64, NATIVE},
		{NEXT, IF_IS, AUDIT_ARCH_I386, COMPAT, ALLOW},

		{NATIVE, LOAD, FIELD(nr)},
		{NEXT, AND, ~X32_BIT},
		{NEXT, IF_IS, SYS_madvise, ADVISE},
		{NEXT, IF_IS, SYS_mremap, REMAP},
		{NEXT, IF_IS, NR_PROC_MADVISE, REMOTE},
		{NEXT, IF_IS, exit_nr, NOTIFY, ALLOW},

		{COMPAT, LOAD, FIELD(nr)},
		{NEXT, IF_IS, I386_MADVISE, ADVISE},
		{NEXT, IF_IS, I386_MREMAP, REMAP},
		{NEXT, IF_IS, NR_PROC_MADVISE, REMOTE, ALLOW},

		{ADVISE, LOAD, ARG_LOW(2)},
		{NEXT, IF_IS, MADV_DONTNEED, COOKIE},
		{NEXT, IF_IS, GUARD_MADV_DONTNEED_LOCKED, COOKIE},
		{NEXT, IF_IS, GUARD_MADV_GUARD_INSTALL, COOKIE, ALLOW},

		{REMOTE, LOAD, ARG_LOW(3)},
		{NEXT, IF_IS, MADV_DONTNEED, REFUSE},
		{NEXT, IF_IS, GUARD_MADV_DONTNEED_LOCKED, REFUSE},
		{NEXT, IF_IS, GUARD_MADV_GUARD_INSTALL, REFUSE, ALLOW},
		{REFUSE, RETURN, SECCOMP_RET_ERRNO | EINVAL},

		/* new_len > old_len, as 64-bit numbers, or a moving flag */
		{REMAP, LOAD, ARG_LOW(3)},
		{NEXT, IF_HAS, MOVING_FLAGS, COOKIE},
		{NEXT, LOAD, ARG_HIGH(1)},
		{NEXT, TO_X},
		{NEXT, LOAD, ARG_HIGH(2)},
		{NEXT, IF_ABOVE_X, 0, COOKIE},
		{NEXT, IF_IS_X, 0, LOW_WORDS, ALLOW},
		{LOW_WORDS, LOAD, ARG_LOW(1)},
		{NEXT, TO_X},
		{NEXT, LOAD, ARG_LOW(2)},
		{NEXT, IF_ABOVE_X, 0, COOKIE, ALLOW},

		{COOKIE, LOAD, ARG_LOW(5)},
		{NEXT, IF_IS, (uint32_t)cookie, NEXT, NOTIFY},
		{NEXT, LOAD, ARG_HIGH(5)},
		{NEXT, IF_IS, (uint32_t)(cookie >> 32), ALLOW, NOTIFY},
		{ALLOW, RETURN, SECCOMP_RET_ALLOW},
		{NOTIFY, RETURN, SECCOMP_RET_USER_NOTIF},
	};

	_Static_assert(sizeof(lines) / sizeof(lines[0]) <= GUARD_FILTER_MAX,
		       "the program outgrew its bound");
	return resolve(lines, sizeof(lines) / sizeof(lines[0]), ret_code);
}

/*
 * The pager of --memory=own is not told of guard regions, and fills them as it
 * fills what is missing.  Those of the image are made with the cookie.
 */
unsigned guard_filter_build_own(uint64_t cookie, struct sock_filter *ret_code)
{
	const struct line lines[] = {
		{NEXT, LOAD, FIELD(arch)},
		{NEXT, IF_IS, AUDIT_ARCH_X86_64, NATIVE},
		{NEXT, IF_IS, AUDIT_ARCH_I386, COMPAT, ALLOW},

		{NATIVE, LOAD, FIELD(nr)},
		{NEXT, AND, ~X32_BIT},
		{NEXT, IF_IS, SYS_madvise, ADVISE},
		{NEXT, IF_IS, NR_PROC_MADVISE, REMOTE, ALLOW},

		{COMPAT, LOAD, FIELD(nr)},
		{NEXT, IF_IS, I386_MADVISE, ADVISE},
		{NEXT, IF_IS, NR_PROC_MADVISE, REMOTE, ALLOW},

		{REMOTE, LOAD, ARG_LOW(3)},
		{NEXT, IF_IS, GUARD_MADV_GUARD_INSTALL, REFUSE, ALLOW},

		{ADVISE, LOAD, ARG_LOW(2)},
		{NEXT, IF_IS, GUARD_MADV_GUARD_INSTALL, COOKIE, ALLOW},
		{COOKIE, LOAD, ARG_LOW(5)},
		{NEXT, IF_IS, (uint32_t)cookie, NEXT, REFUSE},
		{NEXT, LOAD, ARG_HIGH(5)},
		{NEXT, IF_IS, (uint32_t)(cookie >> 32), ALLOW, REFUSE},
		{ALLOW, RETURN, SECCOMP_RET_ALLOW},
		{REFUSE, RETURN, SECCOMP_RET_ERRNO | EINVAL},
	};

	_Static_assert(sizeof(lines) / sizeof(lines[0]) <= GUARD_FILTER_MAX,
		       "the program outgrew its bound");
	return resolve(lines, sizeof(lines) / sizeof(lines[0]), ret_code);
}

static int try_install(const struct sock_fprog *prog, unsigned long flags)
{
	return (int)sys_call4(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
			      (uintptr_t)prog, 0);
}

/* Without CAP_SYS_ADMIN who is filtered may gain no privilege any more. */
static int install(const struct sock_fprog *prog, unsigned long flags)
{
	int r = try_install(prog, flags);

	if (r != -EACCES)
		return r;
	r = (int)sys_call4(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
	return r ? r : try_install(prog, flags);
}

int guard_filter_install(uint64_t cookie, bool exits)
{
	struct sock_filter code[GUARD_FILTER_MAX];
	struct sock_fprog prog = {
		.len = (unsigned short)guard_filter_build(cookie, exits, code),
		.filter = code,
	};
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
			      SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int fd = install(&prog, flags);

	/* Before Linux 5.19 a signal may end the wait at any time. */
	if (fd == -EINVAL)
		fd = try_install(&prog, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	return fd;
}

int guard_filter_install_own(uint64_t cookie)
{
	struct sock_filter code[GUARD_FILTER_MAX];
	const struct sock_fprog prog = {
		.len = (unsigned short)guard_filter_build_own(cookie, code),
		.filter = code,
	};

	return install(&prog, 0);
}

bool guard_filter_is_native(const struct seccomp_data *data)
{
	return data->arch == AUDIT_ARCH_X86_64;
}

enum guard_filter_call guard_filter_which(const struct seccomp_data *data)
{
	bool native = guard_filter_is_native(data);
	uint32_t nr = (uint32_t)data->nr & (native ? ~X32_BIT : ~0u);

	if (nr == (native ? SYS_madvise : I386_MADVISE))
		return GUARD_FILTER_MADVISE;
	if (nr == (native ? SYS_mremap : I386_MREMAP))
		return GUARD_FILTER_MREMAP;
	if (native && nr == SYS_exit_group)
		return GUARD_FILTER_EXIT;
	return GUARD_FILTER_OTHER;
}
