/* SPDX-License-Identifier: MIT */
/* verbs_device.c - see verbs_device.h */
#include "rdmafetch/verbs_device.h"

#include <errno.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* enum rdma_driver_id had 21 numbers in Linux 6.18. */
#define DRIVERS_MAX 64u

struct query_port {
	struct ib_uverbs_ioctl_hdr head;
	struct ib_uverbs_attr attrs[3];
};

/*
 * The library's own calls pass the driver's number to the kernel, but it tells
 * nobody.  The kernel refuses a wrong one with -EINVAL before it does anything
 * (ib_uverbs_cmd_verbs() in drivers/infiniband/core/uverbs_ioctl.c), so a
 * harmless question, asked with each number, finds it.
 */
static bool driver_is(int cmd_fd, uint32_t driver_id)
{
	const struct ib_uverbs_query_port in = {.port_num = 1};
	struct ib_uverbs_query_port_resp out;
	struct query_port query = {
		.head =
			{
				.length = sizeof(query),
				.object_id = UVERBS_OBJECT_DEVICE,
				.method_id = UVERBS_METHOD_INVOKE_WRITE,
				.num_attrs = 3,
				.driver_id = driver_id,
			},
	};

	query.attrs[0].attr_id = UVERBS_ATTR_WRITE_CMD;
	query.attrs[0].len = sizeof(query.attrs[0].data);
	query.attrs[0].data = IB_USER_VERBS_CMD_QUERY_PORT;
	query.attrs[1].attr_id = UVERBS_ATTR_CORE_IN;
	query.attrs[1].len = sizeof(in);
	query.attrs[1].data = (uintptr_t)&in;
	query.attrs[2].attr_id = UVERBS_ATTR_CORE_OUT;
	query.attrs[2].len = sizeof(out);
	query.attrs[2].data = (uintptr_t)&out;
	for (unsigned i = 0; i < 3; i++)
		query.attrs[i].flags = UVERBS_ATTR_F_MANDATORY;
	return !ioctl(cmd_fd, RDMA_VERBS_IOCTL, &query);
}

static uint32_t find_driver(int cmd_fd)
{
	for (uint32_t id = 0; id < DRIVERS_MAX; id++)
		if (driver_is(cmd_fd, id))
			return id;
	return VERBS_NO_DRIVER;
}

static uint8_t at_most_255(int reads)
{
	return (uint8_t)(reads < 0 ? 0 : reads > 255 ? 255 : reads);
}

int verbs_device_look(struct ibv_context *context,
		      struct verbs_device *ret_device)
{
	struct ibv_device_attr_ex attr = {0};
	int error = ibv_query_device_ex(context, NULL, &attr);

	if (error)
		return -error;
	*ret_device = (struct verbs_device){
		.context = context,
		.attr = attr.orig_attr,
		.driver_id = find_driver(context->cmd_fd),
		.has_odp = attr.odp_caps.general_caps & IBV_ODP_SUPPORT &&
			   attr.odp_caps.per_transport_caps.rc_odp_caps &
				   IBV_ODP_SUPPORT_READ,
		.reads_out_max =
			at_most_255(attr.orig_attr.max_qp_init_rd_atom),
		.reads_in_max = at_most_255(attr.orig_attr.max_qp_rd_atom),
	};
	(void)snprintf(ret_device->name, sizeof(ret_device->name), "%s",
		       ibv_get_device_name(context->device));
	return 0;
}

static bool port_is_up(struct ibv_context *context, uint8_t port)
{
	struct ibv_port_attr attr;

	return !ibv_query_port(context, port, &attr) &&
	       attr.state == IBV_PORT_ACTIVE;
}

static bool is_up(const struct verbs_device *device)
{
	for (unsigned port = 1; port <= device->attr.phys_port_cnt; port++)
		if (port_is_up(device->context, (uint8_t)port))
			return true;
	return false;
}

static int open_one(struct ibv_device *listed, struct verbs_device *ret_device)
{
	struct ibv_context *context;
	int error;

	errno = 0;
	context = ibv_open_device(listed);
	if (!context)
		return errno ? -errno : -ENODEV;
	error = verbs_device_look(context, ret_device);
	if (error)
		(void)ibv_close_device(context);
	else
		ret_device->is_open = true;
	return error;
}

static int open_named(struct ibv_device **list, const char *name,
		      struct verbs_device *ret_device)
{
	for (unsigned i = 0; list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			return open_one(list[i], ret_device);
	return -ENOENT;
}

static int open_first_up(struct ibv_device **list,
			 struct verbs_device *ret_device)
{
	struct verbs_device device;
	int error = -ENODEV, result;

	for (unsigned i = 0; list[i]; i++) {
		result = open_one(list[i], &device);
		if (!result && is_up(&device)) {
			*ret_device = device;
			return 0;
		}
		if (result)
			error = result;
		else
			verbs_device_close(&device);
	}
	return error;
}

int verbs_device_open(const char *name, struct verbs_device *ret_device)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	int error;

	if (!list)
		return -ENODEV;
	if (name)
		error = open_named(list, name, ret_device);
	else
		error = open_first_up(list, ret_device);
	ibv_free_device_list(list);
	return error;
}

void verbs_device_close(struct verbs_device *device)
{
	if (!device->is_open)
		return;
	(void)ibv_close_device(device->context);
	device->is_open = false;
}

int verbs_device_names(char *out, size_t out_bytes)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	size_t used = 0;
	int nr = 0;

	if (out_bytes)
		*out = '\0';
	for (; list && list[nr]; nr++)
		if (used < out_bytes)
			used += (size_t)snprintf(out + used, out_bytes - used,
						 "%s%s", nr ? ", " : "",
						 ibv_get_device_name(list[nr]));
	if (list)
		ibv_free_device_list(list);
	return nr;
}
