/* SPDX-License-Identifier: MIT */
/*
 * sockets.h - what a socket is, how it is set and where it is bound
 *
 * Above: fdlook.c, with a short-lived copy of the target's descriptor.
 */
#pragma once

#include <stdbool.h>

#include "common/image.h"

/*
 * Fill kind, domain, type, protocol, backlog, sockopts and data (the bound
 * address) of @image_fd from @sock.  What the kernel does not tell stays 0;
 * a backlog that it does not tell is 511.
 *
 * *@ret_settled is true when the answer can hardly change while the target
 * runs: connected, or listening.
 *
 * Returns 0 or -ENOMEM.
 */
int sockets_look(int sock, struct image_fd *image_fd, bool *ret_settled);

/*
 * Fill the options of @image_fd, which sockets_look() has filled, with those of
 * common/sockopt.h that @sock has otherwise than a fresh one.  Some fifty
 * calls.
 *
 * Returns 0 or -ENOMEM.
 */
int sockets_take_options(int sock, struct image_fd *image_fd);

/*
 * Fill data of @image_fd with what is unread in @sock, a connected unix socket,
 * which keeps it: @max_bytes at most.
 *
 * Returns 0, or
 *   -EFBIG       more than IMAGE_FD_DATA_MAX or @max_bytes bytes
 *   -EOPNOTSUPP  descriptors are on their way too, or messages with bounds,
 *                of which MSG_PEEK shows one, or to peek would leave a trace
 *                (SO_PEEK_OFF)
 *   -ENOMEM, -errno
 */
int sockets_peek(int sock, struct image_fd *image_fd, uint32_t max_bytes);
