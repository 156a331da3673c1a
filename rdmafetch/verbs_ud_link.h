/* SPDX-License-Identifier: MIT */
/*
 * verbs_ud_link.h - a client's link by RDMA datagrams to one mitosisd
 *
 * librdmacm finds the device by the route, and asks the far end for its queue
 * pair's number (SIDR); there is no connection after that. What comes from
 * elsewhere is dropped.
 *
 * Above: programs, by dgram_call.h.  No verbs header is needed here.
 * Threads: one at a time.  Calls block.
 */
#pragma once

#include "rdmafetch/dgram_call.h"
#include "rdmafetch/verbs_address.h"

/*
 * Make a link to @address, whose port is one of RDMA_PS_UDP, within its
 * timeout. Returns 0 or, as verbs_control_hello(),
 *   -EOPNOTSUPP    built without RDMA
 *   -ENODEV        no device here, or none that leads there
 *   -ENOENT        unknown host
 *   -ECONNREFUSED  nobody is there for datagrams
 *   -ETIMEDOUT     nobody answered in time
 *   or -errno of libibverbs and librdmacm.
 */
int verbs_ud_link_open(const struct verbs_address *address,
		       struct dgram_link **ret);

/*
 * verbs_ud_link_open() and dgram_hello().  @why has words for each error; it
 * has WIRE_WHY_MAX + 1 bytes.
 */
int verbs_ud_hello(const struct verbs_address *address,
		   struct dgram_call *ret_call, char *why);
