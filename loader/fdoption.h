/* SPDX-License-Identifier: MIT */
/*
 * fdoption.h - the options that the parent's socket had, on the child's
 *
 * Of the rows of common/sockopt.h, and of no others.
 */
#pragma once

#include "common/sockopt.h"
#include "loader/fate.h"

/*
 * Give @sock, a fresh one, the options of @fd: before it is bound, as some say
 * where it may be.  One that it has already is left alone; one of
 * SOCKOPT_SPARED that cannot be set is left out, and a buffer is as large as
 * this host lets it.
 *
 * Returns 0, or -errno of setsockopt(2) with *@ret_refused, which was not set.
 */
int fdoption_set(int sock, const struct image_fd *fd,
		 const struct sockopt **ret_refused);

/*
 * Ask the kernel, with a socket that is closed again, what fdoption_set() will
 * leave out of the sockets of @image that are made anew.
 *
 * @tell is called with words for each such socket: "descriptor 5 goes without
 * SO_MARK (Operation not permitted)".
 */
void fdoption_foresee(const struct image *image, const struct fate *fates,
		      void (*tell)(const char *words));
