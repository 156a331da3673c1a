/* SPDX-License-Identifier: MIT */
/*
 * sigframe.h - the bytes from which rt_sigreturn(2) rebuilds a thread
 *
 * A thread whose registers we changed gets such a frame first: whatever becomes
 * of us, running on takes it to the end of its errand, into rt_sigreturn, and
 * so back to the very state it was stopped in.
 *
 *   raddr      [ address of the rt_sigreturn gadget ]   popped by its `ret`
 *   raddr + 8  [ ucontext: registers, signal mask   ]   stack pointer is here
 *   raddr + F  [ XSAVE area, with the kernel's marks ]   64-byte aligned
 *
 * Pure functions, any thread.  Source: Linux arch/x86/kernel/signal_64.c,
 * arch/x86/kernel/fpu/signal.c, arch/x86/include/uapi/asm/sigcontext.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define SIGFRAME_ALIGN 64u

struct sigframe_state {
	struct user_regs_struct regs; /* as if just returning to user mode */
	uint64_t sigmask;
	const uint8_t *xstate; /* NT_X86_XSTATE */
	uint32_t xstate_bytes;
};

/* The most bytes a frame takes for an XSAVE area of @xstate_bytes. */
size_t sigframe_bytes(uint32_t xstate_bytes);

/*
 * Build the frame that will live at @raddr (a multiple of SIGFRAME_ALIGN) into
 * @buf, whose first word is @return_raddr.  The alternate signal stack is left
 * as it is.  Returns 0, or -EINVAL when the XSAVE area is malformed.
 */
int sigframe_build(const struct sigframe_state *state, uint64_t raddr,
		   uint64_t return_raddr, uint8_t *buf);
