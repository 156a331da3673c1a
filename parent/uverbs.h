/* SPDX-License-Identifier: MIT */
/*
 * uverbs.h - what the daemon says to a device's descriptor without the library
 *
 * The library knows only regions that it registered itself; those of lenders
 * are known to it, and to us, by the kernel's number alone.
 * Source: rdma/ib_user_ioctl_cmds.h; drivers/infiniband/core/uverbs_ioctl.c.
 */
#pragma once

#include <stdint.h>

/*
 * Take back a memory region: a READ that comes after this returned fails, and
 * so does its connection.
 *
 * Returns 0 or -errno of the ioctl: -ENOENT for no such region of @cmd_fd's.
 */
int uverbs_destroy_mr(int cmd_fd, uint32_t driver_id, uint32_t mr_handle);
