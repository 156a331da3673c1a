/* SPDX-License-Identifier: MIT */
#include "fs/share_link.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ERRNO_MAX 4095u /* of the kernel */

void share_put_request(const struct share_terms *terms,
		       struct share_request *ret_request)
{
	*ret_request = (struct share_request){
		.magic = SHARE_MAGIC,
		.nr_terms = SHARE_NR_TERMS,
		.terms = *terms,
	};
}

int share_get_request(const void *bytes, size_t len,
		      struct share_terms *ret_terms)
{
	struct share_request request;

	if (len != sizeof(request))
		return -EPROTO;
	memcpy(&request, bytes, len);
	if (request.magic != SHARE_MAGIC || request.nr_terms != SHARE_NR_TERMS)
		return -EPROTO;
	*ret_terms = request.terms;
	return 0;
}

void share_put_reply(enum share_verdict verdict, unsigned detail,
		     struct share_reply *ret_reply)
{
	*ret_reply = (struct share_reply){
		.magic = SHARE_MAGIC,
		.verdict = verdict,
		.term = verdict == SHARE_NO ? detail : 0,
		.error = verdict == SHARE_CANNOT ? detail : 0,
	};
}

static bool is_sound(const struct share_reply *reply)
{
	switch (reply->verdict) {
	case SHARE_YES:
	case SHARE_WAIT:
		return !reply->term && !reply->error;
	case SHARE_NO:
		return reply->term <= SHARE_NR_TERMS && !reply->error;
	case SHARE_CANNOT:
		return !reply->term && reply->error &&
		       reply->error <= ERRNO_MAX;
	default:
		return false;
	}
}

int share_get_reply(const void *bytes, size_t len,
		    struct share_reply *ret_reply)
{
	struct share_reply reply;

	if (len != sizeof(reply))
		return -EPROTO;
	memcpy(&reply, bytes, len);
	if (reply.magic != SHARE_MAGIC || !is_sound(&reply))
		return -EPROTO;
	*ret_reply = reply;
	return 0;
}
