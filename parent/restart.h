/* SPDX-License-Identifier: MIT */
/*
 * restart.h - system calls that our stop interrupted
 *
 * The kernel restarts most calls itself when the thread leaves its stop with
 * the registers it had, and nothing here is needed for that.  Left over are
 *
 *   - calls that the kernel never restarts, not even when no handler runs:
 *     they would return EINTR for a signal that never was (signal(7));
 *   - registers that go through rt_sigreturn, which forgets that a call was
 *     under way: what the kernel would do must be done in the frame;
 *   - calls that already restarted once: their number is gone from the
 *     registers, and only the code before the program counter still tells it.
 *
 * Pure functions over registers and bytes but for restart_settle_in(), any
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/*
 * True when @regs are those of a call that gave EINTR and may be issued anew
 * without anybody seeing it.  Says nothing about why it gave EINTR.  Relative
 * timeouts start anew.
 */
bool restart_is_repeatable(const struct user_regs_struct *regs);

/* Set @regs so that the thread issues its call again. */
void restart_repeat(struct user_regs_struct *regs);

/*
 * Set @regs, stopped on the way out of a call, to what the kernel would give
 * the thread: unchanged, or the call once more.  A call whose number is gone
 * becomes EINTR.
 */
void restart_settle(struct user_regs_struct *regs);

/*
 * The same for registers of the process whose memory @mem_fd is: a call whose
 * number is gone is looked for in its code, and EINTR only if that does not
 * tell.  Reads from @mem_fd, which does not block.
 */
void restart_settle_in(int mem_fd, struct user_regs_struct *regs);

/* How many bytes before the program counter restart_find_nr() looks at. */
#define RESTART_CODE_BYTES 32

/* True when @regs wait in restart_syscall(2). */
bool restart_nr_is_lost(const struct user_regs_struct *regs);

/* The number of the call that @regs wait in again, by its code; -1: unknown. */
int32_t restart_nr_in(int mem_fd, const struct user_regs_struct *regs);

/*
 * The number of the call that @code, which ends just behind its `syscall`
 * instruction, issues: one of those that the kernel restarts by a block of its
 * own, or -1 when @code does not say.
 */
int32_t restart_find_nr(const uint8_t code[RESTART_CODE_BYTES]);
