/* SPDX-License-Identifier: MIT */
/*
 * verbs_pages.h - READ messages of a verbs client: what no region covers
 *
 * Up to 4096 bytes are copied into the reply's own message, more into memory
 * lent to the client, who reads it one-sided.
 *
 * Above: verbs_client.c.  Threads: the thread of the loop; blocks as a
 * page_source does.
 */
#pragma once

#include "rdmafetch/verbs_client.h"

/*
 * Answer the READ at @place; there is room for its reply.
 *
 * Returns 0 with the bytes that it asked for, also when the answer is a
 * refusal, or -EAGAIN: what was lent to the client must come back first.
 */
int vpages_answer(struct verbs_client *client, struct verbs_place place,
		  uint32_t *ret_bytes);
