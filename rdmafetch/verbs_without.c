/* SPDX-License-Identifier: MIT */
/*
 * verbs_without.c - what programs built without RDMA hear
 *
 * Instead of verbs.c, verbs_control.c, verbs_dial.c and verbs_ud_link.c.
 */
#include <errno.h>
#include <stdio.h>

#include "rdmafetch/verbs.h"
#include "rdmafetch/verbs_ud_link.h"

static int without(char *why)
{
	why[0] = '\0';
	return -EOPNOTSUPP;
}

int verbs_address_device(const char *name)
{
	return -EOPNOTSUPP;
}

void verbs_address_explain(const struct verbs_address *address, int error,
			   char *why)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1,
		       "rdma to %.100s: this program was built without RDMA",
		       address->host);
}

int verbs_open(const struct verbs_origin *origin, struct transport **ret,
	       struct tcp_opened *ret_opened, char *why)
{
	return without(why);
}

int verbs_open_on(struct verbs_control *control,
		  const struct verbs_origin *origin, struct transport **ret,
		  struct tcp_opened *ret_opened, char *why)
{
	return without(why);
}

int verbs_adopt(struct verbs_control *control, uint32_t handle,
		const struct verbs_regions *regions,
		struct verbs_refused *refused, struct transport **ret)
{
	return -EOPNOTSUPP;
}

uint64_t verbs_exported_bytes(const struct transport *transport)
{
	return 0;
}

const char *verbs_device_of(const struct transport *transport)
{
	return "";
}

int verbs_control_hello(const struct verbs_address *address,
			struct verbs_control **ret, char *why)
{
	return without(why);
}

int verbs_control_call(struct verbs_control *control, enum wire_type type,
		       const void *body, size_t body_bytes, void **ret_body,
		       size_t *ret_body_bytes, char *why)
{
	return without(why);
}

int verbs_control_image(struct verbs_control *control,
			const struct wire_image *image, uint32_t *ret_handle,
			struct tcp_opened *ret_opened, char *why)
{
	return without(why);
}

int verbs_control_export(struct verbs_control *control, uint32_t handle,
			 struct verbs_regions *ret_regions, char *why)
{
	return without(why);
}

const char *verbs_control_device(const struct verbs_control *control)
{
	return "";
}

void verbs_control_close(struct verbs_control *control)
{
}

int verbs_ud_link_open(const struct verbs_address *address,
		       struct dgram_link **ret)
{
	return -EOPNOTSUPP;
}

int verbs_ud_hello(const struct verbs_address *address,
		   struct dgram_call *ret_call, char *why)
{
	verbs_address_explain(address, -EOPNOTSUPP, why);
	return -EOPNOTSUPP;
}
