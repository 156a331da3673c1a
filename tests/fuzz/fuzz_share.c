/* SPDX-License-Identifier: MIT */
/* fuzz_share.c - any bytes as a request for a share of a server, or its reply
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fs/share_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct share_terms terms;
	struct share_reply reply;
	struct share_request again;

	if (!share_get_request(data, size, &terms)) {
		share_put_request(&terms, &again);
		if (size != sizeof(again) || memcmp(&again, data, size) != 0)
			abort();
	}
	if (!share_get_reply(data, size, &reply) &&
	    (reply.verdict < SHARE_YES || reply.verdict >= SHARE_VERDICTS_END ||
	     reply.term > SHARE_NR_TERMS ||
	     (reply.term < SHARE_NR_TERMS &&
	      !share_term_name((enum share_term)reply.term))))
		abort();
	return 0;
}
