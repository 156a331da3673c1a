/* SPDX-License-Identifier: MIT */
/*
 * verbs_dial.h - the steps of an RDMA connection, each with a deadline
 *
 * librdmacm finds the local device by the route to the peer's IP address, as
 * the kernel would for TCP; nobody types a GID.  Every step ends in an event,
 * which is waited for until the deadline (CLOCK_MONOTONIC, nanoseconds).
 *
 * Above: verbs_link.c, verbs_ud_link.c.  Blocks; one thread.
 */
#pragma once

#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/verbs_address.h"

/*
 * Resolve @address to a device and a route: *@ret is the caller's to
 * rdma_destroy_id().  @events is non-blocking.  @space is RDMA_PS_TCP for a
 * connection, RDMA_PS_UDP for datagrams.
 *
 * Returns 0, or
 *   -ENOENT      unknown host
 *   -EAGAIN      the name service does not answer
 *   -ENODEV      no device leads there, or not the one asked for
 *   -ETIMEDOUT   no answer in time
 *   or -errno of rdma_cm
 */
int verbs_dial_route(struct rdma_event_channel *events,
		     const struct verbs_address *address,
		     enum rdma_port_space space, uint64_t deadline_ns,
		     struct rdma_cm_id **ret);

/*
 * Connect @id, which has its queue pair.  0, -ECONNREFUSED, -ETIMEDOUT or
 * -errno of rdma_connect().
 */
int verbs_dial_connect(struct rdma_cm_id *id, uint64_t deadline_ns);

/*
 * Ask at the end of @id's route whom to send datagrams to, from our queue pair
 * number @qp_num; no connection is made.  0, -ECONNREFUSED, -ETIMEDOUT or
 * -errno of rdma_connect().
 */
int verbs_dial_find(struct rdma_cm_id *id, uint32_t qp_num,
		    uint64_t deadline_ns, struct rdma_ud_param *ret);

/*
 * Look at the next event, if there is one, without waiting.  True: it says that
 * the connection is at its end.
 */
bool verbs_dial_is_over(struct rdma_event_channel *events);
