/* SPDX-License-Identifier: MIT */
/*
 * refused.h - how many requests a daemon refused, by what was asked and why
 *
 * Pure; the caller locks.  The order of both enums is the order on the wire
 * (docs/protocol.md): append, and never move.
 */
#pragma once

#include <stdint.h>

enum refused_request {
	REFUSED_HELLO,
	REFUSED_PREPARE,
	REFUSED_IMAGE, /* OPEN, RENEW, RELEASE, EXPORT */
	REFUSED_REQUESTS_END,
};

enum refused_reason {
	REFUSED_DENIED,	     /* who asks may not, or is not known */
	REFUSED_MISSING,     /* no such process, no such image */
	REFUSED_BUSY,	     /* not now: traced, a fork under way, no munged */
	REFUSED_TAKEN,	     /* the name is another image's */
	REFUSED_FULL,	     /* as many as are allowed */
	REFUSED_UNSUPPORTED, /* what cannot be imaged, or is not served */
	REFUSED_VERSION,     /* of the protocol */
	REFUSED_TIMEOUT,
	REFUSED_CANCELLED,
	REFUSED_GONE,	/* the image ended */
	REFUSED_BROKEN, /* a message that is none */
	REFUSED_OTHER,
	REFUSED_REASONS_END,
};

struct refused {
	uint64_t count[REFUSED_REQUESTS_END][REFUSED_REASONS_END];
};

/* What an error (-errno) of docs/protocol.md says. */
enum refused_reason refused_reason_of(int error);

void refused_count(struct refused *refused, enum refused_request request,
		   int error);

/* @refused and @more together, in @refused. */
void refused_sum(struct refused *refused, const struct refused *more);

/* "prepare"; "denied".  Of legal values only. */
const char *refused_request_name(enum refused_request request);
const char *refused_reason_name(enum refused_reason reason);
