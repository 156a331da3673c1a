/* SPDX-License-Identifier: MIT */
/*
 * fdsocket.h - listeners and pairs come back to life, connections do not
 */
#pragma once

#include "loader/fate.h"

/*
 * A listening socket, or one for datagrams from anybody, as @fd was, with its
 * options, its port changed by options->ports.  Those of lower numbers in
 * @image are made already.  One for datagrams on a port that the kernel had
 * chosen gets another when that one is taken.
 *
 * Returns the descriptor, or -errno with words: a port may be taken.
 */
int fdsocket_listen(const struct image *image, const struct image_fd *fd,
		    const struct fate_options *options, struct why *why);

/*
 * Two unix sockets, connected, as @a and @b were, with what either had not read
 * yet, and their options.  Close-on-exec, their other flags are not set.
 *
 * Returns 0, or -ENOBUFS, -EAGAIN (it does not fit here), -errno.
 */
int fdsocket_pair(const struct image_fd *a, const struct image_fd *b,
		  int ret_ends[2]);

/*
 * A socket that reads end of file and refuses writes: what a program sees when
 * its peer went away.  Returns the descriptor, or -1 with errno.
 */
int fdsocket_dead(const struct image_fd *fd);
