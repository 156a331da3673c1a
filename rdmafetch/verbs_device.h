/* SPDX-License-Identifier: MIT */
/*
 * verbs_device.h - an RDMA device: which there are, and what one can do
 *
 * Below: libibverbs.  Above: the two ends of the verbs transport.  A device is
 * either opened here by its name, or was opened by librdmacm, whose connections
 * bring their context along (rdma_cm_id.verbs); it is then only looked at.
 *
 * Threads: any; a struct verbs_device is constant once it is filled.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>

#define VERBS_DEVICE_NAME_MAX (IBV_SYSFS_NAME_MAX - 1)
/* The kernel's numbers (enum rdma_driver_id) end far below. */
#define VERBS_NO_DRIVER UINT32_MAX

struct verbs_device {
	struct ibv_context *context;
	bool is_open; /* by verbs_device_open(): to be closed */
	char name[IBV_SYSFS_NAME_MAX];
	struct ibv_device_attr attr;
	/* For RDMA_VERBS_IOCTL on context->cmd_fd; VERBS_NO_DRIVER when no
	 * number was taken: then nobody else can register memory here. */
	uint32_t driver_id;
	/* RC READs of memory that was registered without pinning (on-demand
	 * paging) are answered by this device. */
	bool has_odp;
	/* READs under way on a queue pair, as asker and as answerer, no more
	 * than the one byte of a connection request holds. */
	uint8_t reads_out_max, reads_in_max;
};

/*
 * Tell what the device of @context can do.
 *
 * Returns 0, or -errno of ibv_query_device_ex(3).
 */
int verbs_device_look(struct ibv_context *context,
		      struct verbs_device *ret_device);

/*
 * Open the device called @name; NULL: the first that has a port which is up.
 *
 * Returns 0 (close it), -ENODEV when there is none or none is up, -ENOENT when
 * none has that name, or -errno of ibv_open_device(3).
 */
int verbs_device_open(const char *name, struct verbs_device *ret_device);

/* A device that is not open, or zeros, is left alone. */
void verbs_device_close(struct verbs_device *device);

/*
 * Write the names of all devices to @out (at most @out_bytes, cut at the end),
 * with ", " between them, for words to a user.  Returns how many there are.
 */
int verbs_device_names(char *out, size_t out_bytes);
