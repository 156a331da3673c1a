/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the system call instruction, and the few numbers the blob itself uses
 *
 * Numbers: arch/x86/entry/syscalls/syscall_64.tbl.
 */
#pragma once

#include <stdint.h>

enum {
	SYS_WRITE = 1,
	SYS_GETTID = 186,
	SYS_FUTEX = 202,
	SYS_TIMER_CREATE = 222,
	SYS_TIMER_SETTIME = 223,
	SYS_TIMER_DELETE = 226,
	SYS_EXIT_GROUP = 231,
};

static inline long sys_call(uint32_t nr, const uint64_t args[6])
{
	register uint64_t r10 __asm__("r10") = args[3];
	register uint64_t r8 __asm__("r8") = args[4];
	register uint64_t r9 __asm__("r9") = args[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"((uint64_t)nr), "D"(args[0]), "S"(args[1]),
			   "d"(args[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long sys_call4(uint32_t nr, uint64_t a, uint64_t b, uint64_t c,
			     uint64_t d)
{
	const uint64_t args[6] = {a, b, c, d, 0, 0};

	return sys_call(nr, args);
}
