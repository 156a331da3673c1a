/* SPDX-License-Identifier: MIT */
/*
 * jump.h - put the blob and its tables into the hole, and go
 *
 * The point of no return: after jump_go() this process is the image, or it ends
 * with a struct blob_report.
 */
#pragma once

#include "loader/plan.h"

/* The size of the blob's code in whole pages. */
uint64_t jump_code_bytes(void);

/*
 * Become the image of @plan.  The caller is single-threaded, has blocked all
 * signals, and has put its descriptors into their slots.
 *
 * Only returns on failure: -errno.
 */
int jump_go(const struct plan *plan);
