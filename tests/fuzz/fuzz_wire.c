/* SPDX-License-Identifier: MIT */
/*
 * fuzz_wire.c - messages from a peer; the first byte picks the decoder
 *
 * A message that is taken must be the very one that its encoder writes: then
 * nothing in it went unread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/source.h"
#include "common/wire.h"
#include "common/workset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t out[WIRE_REQUEST_MAX];

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static void demand_same(const uint8_t *data, size_t len, size_t out_len)
{
	demand(len == out_len && !memcmp(data, out, len));
}

static void try_header(const uint8_t *data, size_t len)
{
	struct wire_header header;

	if (len != WIRE_HEADER_BYTES)
		return;
	if (wire_get_header(data, WIRE_REPLY_MAX, &header))
		return;
	demand(header.body_bytes <= WIRE_REPLY_MAX && header.status <= 0);
	wire_put_header(out, &header);
	demand_same(data, len, WIRE_HEADER_BYTES);
}

static void try_hello(const uint8_t *data, size_t len)
{
	struct wire_hello body;

	if (wire_get_hello(data, len, &body))
		return;
	demand(body.cred_bytes <= WIRE_CRED_MAX);
	demand_same(data, len, wire_put_hello(out, &body));
}

static void try_prepare(const uint8_t *data, size_t len)
{
	struct wire_prepare body;

	if (wire_get_prepare(data, len, &body))
		return;
	demand(body.pid > 0 && (!body.name[0] || parse_name_ok(body.name)));
	demand_same(data, len, wire_put_prepare(out, &body));
}

static void try_image(const uint8_t *data, size_t len)
{
	struct wire_image body;

	if (wire_get_image(data, len, &body))
		return;
	demand(parse_name_ok(body.name));
	demand_same(data, len, wire_put_image(out, &body));
}

static void try_opened(const uint8_t *data, size_t len)
{
	struct wire_opened body;

	if (!wire_get_opened(data, len, &body))
		demand_same(data, 8, wire_put_opened(out, &body));
}

static void try_read(const uint8_t *data, size_t len)
{
	struct wire_read body;

	if (wire_get_read(data, len, &body))
		return;
	demand(body.len_bytes && body.len_bytes <= WIRE_READ_MAX);
	demand(body.raddr + body.len_bytes > body.raddr);
	demand(body.object < SOURCE_END);
	demand_same(data, len, wire_put_read(out, &body));
}

static void try_export(const uint8_t *data, size_t len)
{
	uint32_t handle;

	if (!wire_get_export(data, len, &handle))
		demand_same(data, len, wire_put_export(out, handle));
}

static void try_taken(const uint8_t *data, size_t len)
{
	uint32_t id;

	if (!wire_get_taken(data, len, &id))
		demand_same(data, len, wire_put_taken(out, id));
}

static void try_far(const uint8_t *data, size_t len)
{
	struct wire_far body;

	if (wire_get_far(data, len, &body))
		return;
	demand(body.len_bytes && body.len_bytes <= WIRE_REPLY_MAX);
	demand(body.raddr + body.len_bytes > body.raddr);
	demand_same(data, len, wire_put_far(out, &body));
}

static void try_regions(const uint8_t *data, size_t len)
{
	struct wire_region *regions;
	uint64_t end = 0;
	uint8_t *again;
	size_t nr;

	if (wire_get_regions(data, len, &regions, &nr))
		return;
	for (size_t i = 0; i < nr; i++) {
		demand(regions[i].raddr >= end && regions[i].len_bytes);
		end = regions[i].raddr + regions[i].len_bytes;
		demand(end > regions[i].raddr && end % 4096 == 0);
	}
	again = malloc(wire_regions_bytes(nr));
	demand(again && len == wire_regions_bytes(nr));
	wire_put_regions(again, regions, nr);
	demand(!memcmp(data, again, len));
	free(again);
	free(regions);
}

static void try_part(const uint8_t *data, size_t len)
{
	static struct workset_part part;

	if (workset_get_part(data, len, &part))
		return;
	demand(part.nr && part.nr <= WORKSET_PART_MAX);
	demand(parse_name_ok(part.image.name));
	demand_same(data, len, workset_put_part(out, &part));
}

static void try_workset(const uint8_t *data, size_t len)
{
	struct workset set;
	uint8_t *again;

	if (workset_get(data, len, &set))
		return;
	for (uint32_t i = 0; i < set.nr; i++)
		demand(set.runs[i].nr_pages);
	again = malloc(workset_bytes(&set));
	demand(again && len == workset_bytes(&set));
	workset_put(again, &set);
	demand(!memcmp(data, again, len));
	free(again);
	workset_done(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const tries[])(const uint8_t *data, size_t len) = {
		try_header, try_hello,	 try_prepare, try_image,
		try_opened, try_read,	 try_export,  try_taken,
		try_far,    try_regions, try_part,    try_workset,
	};

	if (len)
		tries[*data % (sizeof(tries) / sizeof(tries[0]))](data + 1,
								  len - 1);
	return 0;
}
