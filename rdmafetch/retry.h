/* SPDX-License-Identifier: MIT */
/*
 * retry.h - what may be tried again, after which pause, and what may not
 *
 * The opinions behind soft, hard and retry=, as pure functions.  Above: pump.c
 * and mend.c for reads, tools/mitosisfs.c for the mount itself.
 */
#pragma once

#include <stdbool.h>

/* How reads take the loss of their connection. */
struct retry_manner {
	bool can_reopen; /* there is a way to make it anew */
	bool hard;	 /* somebody above waits for that, however long */
	bool stopped;	 /* the mount ends: nobody wants the bytes any more */
};

/*
 * What becomes of reads when their connection breaks: 0, they stay queued while
 * their tries last; or the -errno that they end with now:
 *   -ENOTCONN  the caller is to wait for the connection, and read again
 *   -EIO       there will be none
 */
int retry_after_break(struct retry_manner manner);

/*
 * What becomes of them when a look for a connection ended with @error: 0, they
 * stay queued while their time lasts; or -ENOTCONN, as above, or
 *   -ESTALE  the image is gone for good, so no wait ends well
 */
int retry_after_look(struct retry_manner manner, int error);

/* Milliseconds before the next look, after @nr_failed of them in a row. */
unsigned retry_pause_ms(unsigned nr_failed);

/*
 * Whether @error, of connecting to a host, may pass by itself: nobody answers,
 * or not yet.  A name without address and a refusal in words do not pass.
 */
bool retry_may_pass(int error);
