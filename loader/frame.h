/* SPDX-License-Identifier: MIT */
/*
 * frame.h - saved registers as the signal frame that rt_sigreturn(2) loads
 *
 * A thread becomes the image's thread by returning from a signal that never
 * came: the kernel then loads all registers, the vector state, the signal mask
 * and the alternate stack at once.  Layout: arch/x86/include/uapi/asm/
 * {ucontext,sigcontext}.h.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"
#include "loader/why.h"

/* Where this machine's CPU keeps each XSAVE component (CPUID leaf 0xD). */
struct frame_xsave {
	bool same; /* as the parent's: saved on this very machine */
	uint32_t offset_bytes[64], size_bytes[64];
};

/*
 * Fill @ret_xsave for this machine, as far as @image needs it: CPUID is dear in
 * a virtual machine (6 us), and an image of this host (@same_host) needs none.
 */
void frame_read_xsave(const struct image *image, bool same_host,
		      struct frame_xsave *ret_xsave);

/*
 * Can this machine load the vector state of every thread of @image?  The state
 * is a map of bytes that differs between makers of CPUs.
 *
 * Returns 0, or -EOPNOTSUPP with words in @why.
 */
int frame_check(const struct image *image, const struct frame_xsave *xsave,
		struct why *why);

/* The bytes that one frame of @image takes at most, a multiple of 64. */
size_t frame_bytes(const struct image *image);

/* Does a thread run a handler before its call begins again?  handled.h */
enum frame_handler {
	FRAME_NO_HANDLER,
	FRAME_HANDLER_RESTARTS, /* SA_RESTART: ends some calls only */
	FRAME_HANDLER_ENDS,
};

/*
 * Write @thread's frame, which the child will see at @frame_addr (64-byte
 * aligned), to @ret_frame: frame_bytes() of zeros.
 *
 * A system call that the parent's stop interrupted is begun again, as the
 * kernel would have done; a relative timeout then starts anew.  Where a
 * @handler runs first it ends with EINTR, as it would have.
 */
void frame_build(const struct image_thread *thread, enum frame_handler handler,
		 const struct frame_xsave *xsave, uint64_t frame_addr,
		 void *ret_frame);

/* The rax and rip that begin an interrupted call again, as described above. */
void frame_restart(const struct image_thread *thread,
		   enum frame_handler handler, uint64_t *ret_rax,
		   uint64_t *ret_rip);
