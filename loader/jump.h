/* SPDX-License-Identifier: MIT */
/*
 * jump.h - put the blob and its tables into the hole, and go
 *
 * The point of no return: from jump_go() on this process is the image, or it
 * ends with a struct blob_report.
 */
#pragma once

#include "loader/plan.h"

/* What does not return is on a stack that ASan does not know. */
#define JUMP_NO_RETURN __attribute__((noreturn, no_sanitize_address))

/* The size of the blob's code in whole pages. */
uint64_t jump_code_bytes(void);

/*
 * Map what the blob needs into this process's hole, for itself and for those it
 * clones.  0 or -errno.
 */
int jump_prepare(const struct plan *plan);

/*
 * Become the image of @plan, in a process with what jump_prepare() has mapped.
 * The caller is single-threaded, has blocked all signals and set all their
 * actions to the default, and has put its descriptors into their slots.
 * @has_rseq: libc's registration for restartable sequences is this process's
 * too, which it is not after a clone with CLONE_VM.
 */
JUMP_NO_RETURN void jump_go(const struct plan *plan, bool has_rseq);
