/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ask.c - any bytes as a message to a loader that serves, or from one
 *
 * The first byte is the number of descriptors that came along.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loader/ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_heads(const uint8_t *data, size_t size)
{
	struct ask_head head = {.magic = ASK_MAGIC};

	if (size < sizeof(head) - sizeof(head.magic))
		return;
	memcpy(&head.type, data, sizeof(head) - sizeof(head.magic));
	for (int from_client = 0; from_client < 2; from_client++)
		if (!ask_check_head(&head, from_client) &&
		    head.body_bytes > ASK_BODY_MAX)
			abort();
}

/* What was decoded is encoded as it was. */
static void check_ask(const struct ask *ask, const uint8_t *data, size_t size)
{
	static uint8_t again[ASK_BODY_MAX];
	size_t len;

	if (ask->nr_choices > ASK_CHOICES_MAX ||
	    ask->nr_ports > ASK_CHOICES_MAX || ask->nr_children > ASK_NR_MAX)
		abort();
	if (ask_encode(ask, again, &len) || len != size ||
	    memcmp(again, data, size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ask ask;

	if (!size || size > ASK_BODY_MAX)
		return 0;
	check_heads(data + 1, size - 1);
	if (ask_decode(data + 1, size - 1, data[0] % (ASK_FDS_MAX + 1), &ask))
		return 0;
	check_ask(&ask, data + 1, size - 1);
	ask_free(&ask);
	return 0;
}
