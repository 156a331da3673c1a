/* SPDX-License-Identifier: MIT */
/*
 * verbs.h - pages by one-sided READs of the snapshot's own memory
 *
 * Step 4 of the way of a page, without the far end's CPU: the daemon has the
 * image's memory registered on its device (EXPORT), and its device answers.
 * What no region covers, and what a READ was refused for, is asked for by
 * message on the same connection.
 *
 *     EXPORT'd anonymous and file memory   RDMA READ
 *     the executable, captured memory, ... READ message; over a page: FAR
 *
 * One connection carries it all: a second one for prefetch would need all
 * regions registered a second time (a key belongs to one connection), while
 * holding prefetch back to what keeps the link busy, as verbs_slots.c does,
 * costs an urgent read no more than two prefetch flights.
 */
#pragma once

#include "common/wire.h"
#include "rdmafetch/verbs_address.h"
#include "rdmafetch/verbs_control.h"
#include "rdmafetch/verbs_regions.h"
#include "rdmafetch/transport.h"

/* What to open; all borrowed. */
struct verbs_origin {
	const struct verbs_address *address;
	const struct wire_image *image;
	/*
	 * Looked at and added to; outlives the transport.  Give the same to the
	 * next transport of the same image.
	 */
	struct verbs_refused *refused;
};

/*
 * Open @origin's image and make a transport of it.  Uses a connection of its
 * own.
 *
 * Who opens an image for the second time must compare descriptors: a name may
 * stand for another process by now.
 *
 * Errors as verbs_control_hello() and verbs_control_call(), with the daemon's
 * words in @why.
 */
int verbs_open(const struct verbs_origin *origin, struct transport **ret,
	       struct tcp_opened *ret_opened, char *why);

/* As verbs_open() on @control, which is consumed in any case. */
int verbs_open_on(struct verbs_control *control,
		  const struct verbs_origin *origin, struct transport **ret,
		  struct tcp_opened *ret_opened, char *why);

/*
 * Make a transport of @control, on which the image @handle is open, and of
 * @regions, which are consumed in any case.  0 or -errno of registering memory.
 */
int verbs_adopt(struct verbs_control *control, uint32_t handle,
		const struct verbs_regions *regions,
		struct verbs_refused *refused, struct transport **ret);

/* How many bytes of the image are read one-sided, and over which device. */
uint64_t verbs_exported_bytes(const struct transport *transport);
const char *verbs_device_of(const struct transport *transport);
