/* SPDX-License-Identifier: MIT */
/*
 * frame.c - the ucontext, and how much of the XSAVE area to hand over
 */
#include "loader/frame.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "common/cpu.h"

#define UC_FP_XSTATE	     1u
#define UC_SIGCONTEXT_SS     2u
#define UC_STRICT_RESTORE_SS 4u
#define XSTATE_MAGIC1	     0x46505853u
#define XSTATE_MAGIC2	     0x46505845u

#define XSTATE_BV_OFFSET 512u /* in the XSAVE area: which parts are in use */
#define XSTATE_SW_OFFSET 464u
#define XFEATURES_LEGACY UINT64_C(3) /* x87, SSE: MXCSR is always read */
#define XFEATURES_FIXED	 UINT64_C(7) /* and AVX: one place on all CPUs */
#define XFEATURES_AMX	 (UINT64_C(3) << 17)
#define SS_DISABLE_	 2u
#define SS_ONSTACK_	 1u

/* include/linux/errno.h: what an interrupted call leaves in rax. */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516
#define NR_RESTART_SYSCALL    219
#define SYSCALL_INSN_BYTES    2

struct ucontext_frame {
	uint64_t uc_flags, uc_link;
	uint64_t stack_sp;
	uint32_t stack_flags, stack_unused;
	uint64_t stack_bytes;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
	uint64_t sigmask;
};

_Static_assert(offsetof(struct ucontext_frame, r8) == 40, "uc_mcontext");
_Static_assert(offsetof(struct ucontext_frame, fpstate) == 224, "sigcontext");
_Static_assert(sizeof(struct ucontext_frame) == 304, "uc_sigmask ends it");

/* struct _fpx_sw_bytes, in the part of the FXSAVE area that CPUs ignore. */
struct fpx_sw_bytes {
	uint32_t magic1, extended_bytes;
	uint64_t xfeatures;
	uint32_t xstate_bytes, padding[7];
};

#define FPSTATE_OFFSET ((sizeof(struct ucontext_frame) + 63) & ~(size_t)63)

void frame_read_xsave(const struct image *image, bool same_host,
		      struct frame_xsave *ret_xsave)
{
	memset(ret_xsave, 0, sizeof(*ret_xsave));
	/* A parent with leave to use AMX has a larger area than its child. */
	ret_xsave->same = same_host && !(image->xfeatures & XFEATURES_AMX);
	if (ret_xsave->same)
		return;
	for (unsigned i = 2; i < 63; i++) {
		unsigned eax, ebx, ecx, edx;

		if (!(image->xfeatures >> i & 1))
			continue;
		if (!__get_cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx))
			return;
		ret_xsave->size_bytes[i] = eax;
		ret_xsave->offset_bytes[i] = ebx;
	}
}

/* The end of the last component in @xfeatures. */
static uint32_t xsave_end(const struct frame_xsave *xsave, uint64_t xfeatures)
{
	uint32_t end = IMAGE_XSTATE_MIN;

	for (unsigned i = 2; i < 63; i++) {
		uint32_t last = xsave->offset_bytes[i] + xsave->size_bytes[i];

		if ((xfeatures >> i & 1) && last > end)
			end = last;
	}
	return end;
}

static uint64_t xfeatures_in_use(const struct image_thread *thread)
{
	uint64_t in_use;

	memcpy(&in_use, thread->xstate + XSTATE_BV_OFFSET, sizeof(in_use));
	return in_use;
}

static int check_thread(const struct image *image,
			const struct image_thread *thread,
			const struct frame_xsave *xsave, struct why *why)
{
	uint64_t in_use, known = image->xfeatures;

	if (!thread->xstate_bytes || xsave->same)
		return 0;
	in_use = xfeatures_in_use(thread);
	if (in_use & XFEATURES_AMX)
		return why_set(why, -EOPNOTSUPP,
			       "thread %d has live %s registers, which cannot "
			       "be loaded",
			       thread->tid, cpu_xfeature_name(XFEATURES_AMX));
	if (xsave_end(xsave, in_use) > thread->xstate_bytes)
		return why_set(why, -EOPNOTSUPP,
			       "thread %d: the saved vector registers are cut",
			       thread->tid);
	if (!(in_use & ~XFEATURES_FIXED) ||
	    xsave_end(xsave, known) == thread->xstate_bytes ||
	    xsave_end(xsave, known & ~XFEATURES_AMX) == thread->xstate_bytes)
		return 0;
	return why_set(why, -EOPNOTSUPP,
		       "this CPU keeps its vector registers in another order "
		       "than the parent's: load on a host of the same maker");
}

int frame_check(const struct image *image, const struct frame_xsave *xsave,
		struct why *why)
{
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		int error = check_thread(image, &image->threads[i], xsave, why);

		if (error)
			return error;
	}
	return 0;
}

size_t frame_bytes(const struct image *image)
{
	size_t most = 0;

	for (uint32_t i = 0; i < image->nr_threads; i++)
		if (image->threads[i].xstate_bytes > most)
			most = image->threads[i].xstate_bytes;
	most += FPSTATE_OFFSET + sizeof(uint32_t);
	return (most + 63) & ~(size_t)63;
}

static bool is_interrupted(int64_t rax)
{
	return rax == -ERESTARTSYS || rax == -ERESTARTNOINTR ||
	       rax == -ERESTARTNOHAND || rax == -ERESTART_RESTARTBLOCK;
}

/* handle_signal() of the kernel's arch/x86/kernel/signal.c */
static bool is_ended_by(enum frame_handler handler, int64_t rax)
{
	if (handler == FRAME_NO_HANDLER || rax == -ERESTARTNOINTR)
		return false;
	return rax != -ERESTARTSYS || handler == FRAME_HANDLER_ENDS;
}

void frame_restart(const struct image_thread *thread,
		   enum frame_handler handler, uint64_t *ret_rax,
		   uint64_t *ret_rip)
{
	int64_t nr = (int64_t)thread->regs[REG_ORIG_RAX_];
	int64_t rax = (int64_t)thread->regs[REG_RAX_];

	*ret_rax = thread->regs[REG_RAX_];
	*ret_rip = thread->regs[REG_RIP_];
	if (nr < 0 || !is_interrupted(rax))
		return; /* not in a system call */
	if (nr == NR_RESTART_SYSCALL && rax == -ERESTART_RESTARTBLOCK)
		nr = thread->restart_nr;
	if (nr < 0 || is_ended_by(handler, rax)) {
		*ret_rax = (uint64_t)-EINTR;
		return;
	}
	*ret_rax = (uint64_t)nr;
	*ret_rip -= SYSCALL_INSN_BYTES;
}

static void build_registers(const struct image_thread *thread,
			    enum frame_handler handler,
			    struct ucontext_frame *uc)
{
	const uint64_t *regs = thread->regs;

	uc->r8 = regs[REG_R8_];
	uc->r9 = regs[REG_R9_];
	uc->r10 = regs[REG_R10_];
	uc->r11 = regs[REG_R11_];
	uc->r12 = regs[REG_R12_];
	uc->r13 = regs[REG_R13_];
	uc->r14 = regs[REG_R14_];
	uc->r15 = regs[REG_R15_];
	uc->rdi = regs[REG_RDI_];
	uc->rsi = regs[REG_RSI_];
	uc->rbp = regs[REG_RBP_];
	uc->rbx = regs[REG_RBX_];
	uc->rdx = regs[REG_RDX_];
	uc->rcx = regs[REG_RCX_];
	uc->rsp = regs[REG_RSP_];
	uc->eflags = regs[REG_EFLAGS_];
	uc->cs = (uint16_t)regs[REG_CS_];
	uc->ss = (uint16_t)regs[REG_SS_];
	frame_restart(thread, handler, &uc->rax, &uc->rip);
}

/*
 * Only as much as the components in use need: the kernel refuses a frame larger
 * than its own, and silently loads no vector registers then.
 */
static void build_xstate(const struct image_thread *thread,
			 const struct frame_xsave *xsave, uint8_t *fpstate)
{
	uint32_t bytes = xsave->same
				 ? thread->xstate_bytes
				 : xsave_end(xsave, xfeatures_in_use(thread));
	uint32_t magic2 = XSTATE_MAGIC2;
	struct fpx_sw_bytes sw = {
		.magic1 = XSTATE_MAGIC1,
		.extended_bytes = bytes + (uint32_t)sizeof(magic2),
		.xfeatures = xfeatures_in_use(thread) | XFEATURES_LEGACY,
		.xstate_bytes = bytes,
	};

	memcpy(fpstate, thread->xstate, bytes);
	memcpy(fpstate + XSTATE_SW_OFFSET, &sw, sizeof(sw));
	memcpy(fpstate + bytes, &magic2, sizeof(magic2));
}

void frame_build(const struct image_thread *thread, enum frame_handler handler,
		 const struct frame_xsave *xsave, uint64_t frame_addr,
		 void *ret_frame)
{
	struct ucontext_frame *uc = ret_frame;

	uc->uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	uc->stack_sp = thread->altstack_sp;
	uc->stack_bytes = thread->altstack_bytes;
	uc->stack_flags = thread->altstack_flags & ~SS_ONSTACK_;
	if (!thread->altstack_bytes)
		uc->stack_flags = SS_DISABLE_;
	uc->sigmask = thread->sigmask;
	build_registers(thread, handler, uc);
	if (!thread->xstate_bytes)
		return;
	uc->uc_flags |= UC_FP_XSTATE;
	uc->fpstate = frame_addr + FPSTATE_OFFSET;
	build_xstate(thread, xsave, (uint8_t *)ret_frame + FPSTATE_OFFSET);
}
