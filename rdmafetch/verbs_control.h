/* SPDX-License-Identifier: MIT */
/*
 * verbs_control.h - one question at a time to a mitosisd, over RDMA
 *
 * The same messages and the same calls as tcp_control.h, on one reliable
 * connection.  A reply that is longer than a message comes FAR: it says where
 * it lies, is read from there, and then TAKEN.
 *
 *     ask ----- SEND ----->
 *         <---- SEND ------  FAR: raddr, rkey, length
 *         ===== READ =====>  in pieces, through a registered buffer
 *         ----- SEND ----->  TAKEN
 *
 * Above: the programs, and verbs.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/tcp_control.h"
#include "rdmafetch/verbs_address.h"
#include "rdmafetch/verbs_regions.h"

struct verbs_link;

/* A control connection: HELLO is done.  One thread at a time. */
struct verbs_control;

/*
 * Connect and say HELLO.  @why has words when the daemon refuses HELLO, or there
 * is no credential to show ("" otherwise: see verbs_address_explain()); it has
 * WIRE_WHY_MAX + 1 bytes.
 *
 * Returns 0, or
 *   -EOPNOTSUPP       built without RDMA
 *   -ENODEV           no device here, or none that leads there
 *   -ENOENT           unknown host
 *   -ECONNREFUSED     nobody listens there for RDMA
 *   -ETIMEDOUT        nobody answered in time
 *   -EPROTONOSUPPORT  the daemon speaks another version
 *   -EPROTO           what answers is no mitosisd
 *   -ECONNRESET       the daemon hung up
 *   or -errno of sec_make_credential(), or the daemon's refusal.
 */
int verbs_control_hello(const struct verbs_address *address,
			struct verbs_control **ret, char *why);

/* As tcp_control_call(), on this connection. */
int verbs_control_call(struct verbs_control *control, enum wire_type type,
		       const void *body, size_t body_bytes, void **ret_body,
		       size_t *ret_body_bytes, char *why);

/* As tcp_control_image(). */
int verbs_control_image(struct verbs_control *control,
			const struct wire_image *image, uint32_t *ret_handle,
			struct tcp_opened *ret_opened, char *why);

/*
 * Have the memory of the open image @handle registered for READs from here:
 * *@ret_regions is the caller's.  None where the daemon refuses (its device has
 * no on-demand paging): all goes by message then.  Returns 0, -ESTALE when the
 * image is gone, -ETIMEDOUT after a minute, or the connection's other error;
 * then the connection has ended.
 */
int verbs_control_export(struct verbs_control *control, uint32_t handle,
			 struct verbs_regions *ret_regions, char *why);

/* The name of the local device. */
const char *verbs_control_device(const struct verbs_control *control);

/*
 * Take the link out of @control, which ends; nothing is under way on it.
 * *@ret_seq is the number of the next work request.
 */
struct verbs_link *verbs_control_steal(struct verbs_control *control,
				       uint64_t *ret_seq);

/* NULL is allowed. */
void verbs_control_close(struct verbs_control *control);
