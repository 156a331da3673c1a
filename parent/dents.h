/* SPDX-License-Identifier: MIT */
/*
 * dents.h - the numbers that name the entries of a /proc directory
 *
 * For task/ and fdinfo/, again and again on one open directory: no allocation
 * once the array is big enough.
 */
#pragma once

#include <stdint.h>

/*
 * List the all-digit names in the open directory @dir_fd, rewound first.
 *
 * *@numbers is an array of *@cap that grows as needed; the caller's to free().
 *
 * Returns 0, -ESRCH when the process is gone, -E2BIG past @max entries,
 * -ENOMEM, or -errno of getdents64(2).
 */
int dents_list(int dir_fd, uint32_t max, int32_t **numbers, uint32_t *cap,
	       uint32_t *ret_nr);
