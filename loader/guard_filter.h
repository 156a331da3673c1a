/* SPDX-License-Identifier: MIT */
/*
 * guard_filter.h - the seccomp program that holds the calls the guard answers
 *
 * madvise with an advice that drops pages and mremap that grows, moves or
 * leaves a copy wait for the supervisor, unless their sixth argument is the
 * cookie. process_madvise with such an advice fails with EINVAL: it names many
 * ranges, and its callers have another way.  When asked to, it also holds
 * exit_group: who waits there still has its memory.  All else stays on the
 * kernel's allow bitmap.  32-bit and x32 entries are held too, so that no entry
 * is a hole.
 *
 * Above: guard.c.  Pure but for guard_filter_install().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#define GUARD_FILTER_MAX 64 /* instructions */

/* Advices that younger kernels know (linux/mman.h). */
#define GUARD_MADV_DONTNEED_LOCKED 24
#define GUARD_MADV_GUARD_INSTALL   102

enum guard_filter_call {
	GUARD_FILTER_OTHER,
	GUARD_FILTER_MADVISE,
	GUARD_FILTER_MREMAP,
	GUARD_FILTER_EXIT, /* exit_group by the 64-bit entry */
};

/* Write the program for @cookie, which with @exits holds exits, to @ret_code
 * (GUARD_FILTER_MAX long); returns its length. */
unsigned guard_filter_build(uint64_t cookie, bool exits,
			    struct sock_filter *ret_code);

/* As guard_install().  Raw system calls: loader/reaper.c runs it. */
int guard_filter_install(uint64_t cookie, bool exits);

/* The same for --memory=own, where nothing waits: see the next. */
unsigned guard_filter_build_own(uint64_t cookie, struct sock_filter *ret_code);

/*
 * Refuse guard regions (EINVAL, as kernels before 6.13) to this process and
 * what comes of it, but for calls with the @cookie.  Single-threaded; sets
 * no_new_privs where there is no CAP_SYS_ADMIN.
 *
 * Returns 0, or -ENOSYS or -EINVAL: the kernel has no filters; or another
 * -errno of seccomp(2).
 */
int guard_filter_install_own(uint64_t cookie);

/* Which of the held calls @data is, by its entry's own numbers. */
enum guard_filter_call guard_filter_which(const struct seccomp_data *data);

/* True for a call by the 64-bit entry (or x32, which shares it). */
bool guard_filter_is_native(const struct seccomp_data *data);
