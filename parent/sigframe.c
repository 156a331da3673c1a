/* SPDX-License-Identifier: MIT */
#include "parent/sigframe.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define UC_FP_XSTATE	     0x1u
#define UC_SIGCONTEXT_SS     0x2u
#define UC_STRICT_RESTORE_SS 0x4u

#define FXSAVE_BYTES	 512u
#define XSAVE_HEADER	 64u
#define SW_OFFSET	 464u /* of struct sw_bytes in the FXSAVE area */
#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u

/* Tile state: only in frames of threads that use it. */
#define XFEATURES_DYNAMIC (3ull << 17)

/* A flag word that sigaltstack(2) refuses: rt_sigreturn then leaves it alone.
 */
#define ALTSTACK_REFUSED 0x4

/* struct sigcontext and struct ucontext of the kernel, as sigreturn reads. */
struct context {
	uint64_t flags, link;
	uint64_t altstack_sp;
	uint32_t altstack_flags, pad;
	uint64_t altstack_bytes;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t xstate_raddr;
	uint64_t reserved[8];
	uint64_t sigmask;
};

struct sw_bytes {
	uint32_t magic1, extended_bytes;
	uint64_t xfeatures;
	uint32_t xstate_bytes, pad[7];
};

#define XSTATE_OFFSET                                                          \
	((8 + sizeof(struct context) + SIGFRAME_ALIGN - 1) / SIGFRAME_ALIGN *  \
	 SIGFRAME_ALIGN)

_Static_assert(sizeof(struct context) == 304, "the kernel's struct ucontext");
_Static_assert(sizeof(struct sw_bytes) == 48, "the kernel's _fpx_sw_bytes");

size_t sigframe_bytes(uint32_t xstate_bytes)
{
	return XSTATE_OFFSET + xstate_bytes + sizeof(uint32_t);
}

/* Where the last feature of @xfeatures ends in an uncompacted XSAVE area. */
static uint32_t xsave_bytes(uint64_t xfeatures)
{
	uint32_t end = FXSAVE_BYTES + XSAVE_HEADER;

	for (unsigned i = 2; i < 63; i++) {
		unsigned bytes, offset, ecx, edx;

		if (!(xfeatures >> i & 1))
			continue;
		__cpuid_count(0xd, i, bytes, offset, ecx, edx);
		if (offset + bytes > end)
			end = offset + bytes;
	}
	return end;
}

/*
 * xsave_bytes() of the only set of features that is ever asked for: XCR0 does
 * not change, and CPUID is slow in virtual machines.
 */
static uint32_t small_bytes(uint64_t xfeatures)
{
	static _Atomic uint32_t known;

	if (!known)
		known = xsave_bytes(xfeatures);
	return known;
}

static int add_xstate(const struct sigframe_state *state, uint8_t *buf)
{
	const uint32_t magic2 = FP_XSTATE_MAGIC2;
	struct sw_bytes sw = {.magic1 = FP_XSTATE_MAGIC1};
	uint64_t in_use;

	if (state->xstate_bytes < FXSAVE_BYTES + XSAVE_HEADER)
		return -EINVAL;
	/* The kernel leaves XCR0 in the first, XSTATE_BV opens the header. */
	memcpy(&sw.xfeatures, state->xstate + SW_OFFSET, sizeof(uint64_t));
	memcpy(&in_use, state->xstate + FXSAVE_BYTES, sizeof(in_use));
	sw.xstate_bytes = state->xstate_bytes;
	if ((sw.xfeatures & XFEATURES_DYNAMIC) &&
	    !(in_use & XFEATURES_DYNAMIC)) {
		sw.xfeatures &= ~XFEATURES_DYNAMIC;
		sw.xstate_bytes = small_bytes(sw.xfeatures);
	}
	if (sw.xstate_bytes > state->xstate_bytes)
		return -EINVAL;
	sw.extended_bytes = sw.xstate_bytes + (uint32_t)sizeof(magic2);
	memcpy(buf, state->xstate, sw.xstate_bytes);
	memcpy(buf + SW_OFFSET, &sw, sizeof(sw));
	memcpy(buf + sw.xstate_bytes, &magic2, sizeof(magic2));
	return 0;
}

static struct context context_of(const struct sigframe_state *state)
{
	const struct user_regs_struct *r = &state->regs;

	return (struct context){
		.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
		.altstack_flags = ALTSTACK_REFUSED,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.eflags = r->eflags,
		.cs = (uint16_t)r->cs,
		.ss = (uint16_t)r->ss,
		.sigmask = state->sigmask,
	};
}

int sigframe_build(const struct sigframe_state *state, uint64_t raddr,
		   uint64_t return_raddr, uint8_t *buf)
{
	struct context context = context_of(state);

	context.xstate_raddr = raddr + XSTATE_OFFSET;
	memset(buf, 0, XSTATE_OFFSET);
	memcpy(buf, &return_raddr, sizeof(return_raddr));
	memcpy(buf + sizeof(return_raddr), &context, sizeof(context));
	return add_xstate(state, buf + XSTATE_OFFSET);
}
