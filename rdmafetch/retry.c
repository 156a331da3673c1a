/* SPDX-License-Identifier: MIT */
#include "rdmafetch/retry.h"

#include <errno.h>

#define PAUSE_MIN_MS 10u
#define PAUSE_MAX_MS 1000u

int retry_after_break(struct retry_manner manner)
{
	if (!manner.can_reopen || manner.stopped)
		return -EIO;
	return manner.hard ? -ENOTCONN : 0;
}

int retry_after_look(struct retry_manner manner, int error)
{
	if (error == -ESTALE)
		return -ESTALE;
	return retry_after_break(manner);
}

unsigned retry_pause_ms(unsigned nr_failed)
{
	unsigned ms = PAUSE_MIN_MS;

	while (nr_failed-- && ms < PAUSE_MAX_MS)
		ms *= 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

bool retry_may_pass(int error)
{
	switch (error) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ECONNABORTED:
	case -EPIPE:
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENETUNREACH:
	case -ENETDOWN:
	case -EAGAIN: /* the name service, munged, a unix socket's backlog */
		return true;
	default:
		return false;
	}
}
