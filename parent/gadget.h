/* SPDX-License-Identifier: MIT */
/*
 * gadget.h - two instruction sequences that the target has anyway
 *
 * Nothing is written into a program's text: system calls are issued through
 * code that is there already.  Every C library has both, getpid() and the
 * function behind SA_RESTORER.
 *
 *   syscall_ret   syscall; ret
 *   sigreturn     mov $15, %eax (or %rax); syscall
 *
 * Any thread, no state but what gadgets_learn() keeps.  The target runs
 * meanwhile, so the bytes are looked at once more when it is stopped:
 * gadgets_hold().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"
#include "parent/refusal.h"

struct gadgets {
	uint64_t syscall_ret, sigreturn; /* addresses in the target, or 0 */
};

/*
 * Look for what @gadgets still lacks in @len bytes of code that lie at @raddr
 * in the target.
 */
void gadgets_scan(struct gadgets *gadgets, const uint8_t *code, size_t len,
		  uint64_t raddr);

/*
 * Find both in the executable areas among @vmas, the C library's first.
 * @mem_fd is /proc/PID/mem.
 *
 * Returns 0, or with words in @why -EOPNOTSUPP, or -ESRCH when the process has
 * ended.
 */
int gadgets_find(int mem_fd, const struct image_vma *vmas, uint32_t nr,
		 struct gadgets *ret_gadgets, struct refusal *why);

/*
 * Find both in this process and keep their places in its C library: in a target
 * that has the same file gadgets_find() looks there first.  For a process with
 * one thread, and time.
 */
void gadgets_learn(void);

/* True while both are where they were found. */
bool gadgets_hold(const struct gadgets *gadgets, int mem_fd);
