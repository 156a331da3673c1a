/* SPDX-License-Identifier: MIT */
#include "common/refused.h"

#include <errno.h>

enum refused_reason refused_reason_of(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return REFUSED_DENIED;
	case -ESRCH:
	case -ENOENT:
	case -EBADF:
		return REFUSED_MISSING;
	case -EAGAIN:
	case -EBUSY:
		return REFUSED_BUSY;
	case -EEXIST:
	case -EALREADY:
		return REFUSED_TAKEN;
	case -ENOSPC:
	case -EUSERS:
	case -EMFILE:
	case -ENOBUFS:
		return REFUSED_FULL;
	case -EOPNOTSUPP:
		return REFUSED_UNSUPPORTED;
	case -EPROTONOSUPPORT:
		return REFUSED_VERSION;
	case -ETIMEDOUT:
		return REFUSED_TIMEOUT;
	case -ECANCELED:
		return REFUSED_CANCELLED;
	case -ESTALE:
		return REFUSED_GONE;
	case -EPROTO:
		return REFUSED_BROKEN;
	default:
		return REFUSED_OTHER;
	}
}

void refused_count(struct refused *refused, enum refused_request request,
		   int error)
{
	refused->count[request][refused_reason_of(error)]++;
}

void refused_sum(struct refused *refused, const struct refused *more)
{
	for (unsigned i = 0; i < REFUSED_REQUESTS_END; i++)
		for (unsigned j = 0; j < REFUSED_REASONS_END; j++)
			refused->count[i][j] += more->count[i][j];
}

const char *refused_request_name(enum refused_request request)
{
	static const char *const names[REFUSED_REQUESTS_END] = {
		[REFUSED_HELLO] = "hello",
		[REFUSED_PREPARE] = "prepare",
		[REFUSED_IMAGE] = "image",
	};

	return names[request];
}

const char *refused_reason_name(enum refused_reason reason)
{
	static const char *const names[REFUSED_REASONS_END] = {
		[REFUSED_DENIED] = "denied",
		[REFUSED_MISSING] = "missing",
		[REFUSED_BUSY] = "busy",
		[REFUSED_TAKEN] = "taken",
		[REFUSED_FULL] = "full",
		[REFUSED_UNSUPPORTED] = "unsupported",
		[REFUSED_VERSION] = "version",
		[REFUSED_TIMEOUT] = "timeout",
		[REFUSED_CANCELLED] = "cancelled",
		[REFUSED_GONE] = "gone",
		[REFUSED_BROKEN] = "broken",
		[REFUSED_OTHER] = "other",
	};

	return names[reason];
}
