/* SPDX-License-Identifier: MIT */
#include "parent/uverbs.h"

#include <errno.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <sys/ioctl.h>

int uverbs_destroy_mr(int cmd_fd, uint32_t driver_id, uint32_t mr_handle)
{
	struct {
		struct ib_uverbs_ioctl_hdr head;
		struct ib_uverbs_attr attr;
	} command = {
		.head =
			{
				.length = sizeof(command),
				.object_id = UVERBS_OBJECT_MR,
				.method_id = UVERBS_METHOD_MR_DESTROY,
				.num_attrs = 1,
				.driver_id = driver_id,
			},
		.attr =
			{
				.attr_id = UVERBS_ATTR_DESTROY_MR_HANDLE,
				.flags = UVERBS_ATTR_F_MANDATORY,
				.data = mr_handle,
			},
	};

	return ioctl(cmd_fd, RDMA_VERBS_IOCTL, &command) ? -errno : 0;
}
