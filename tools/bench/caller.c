/* SPDX-License-Identifier: MIT */
/* caller.c - see caller.h and caller_base.h */
#include "tools/bench/caller.h"

#include <errno.h>
#include <string.h>

#include "common/wire.h"
#include "tools/bench/caller_base.h"

int caller_open(const struct caller_options *options, struct caller **ret,
		char *why)
{
	why[0] = '\0';
	if (options->proto == PLACE_TCP)
		return caller_tcp_open(options, ret, why);
	if (options->proto == PLACE_RDMA)
		return caller_verbs_open(options, ret, why);
	if (options->proto == PLACE_RDMA_UD)
		return caller_dgram_open(options, ret, why);
	return -EOPNOTSUPP;
}

int caller_start(struct caller *caller, unsigned nr)
{
	return nr > caller->nr_free ? -EINVAL : caller->ops->start(caller, nr);
}

int caller_reap(struct caller *caller, struct hist *hist)
{
	return caller->ops->reap(caller, hist);
}

void caller_close(struct caller *caller)
{
	if (caller)
		caller->ops->close(caller);
}

void caller_init(struct caller *caller, const struct caller_ops *ops,
		 const struct caller_options *options)
{
	caller->ops = ops;
	caller->underway_max = options->underway;
	caller->body_bytes = options->body_bytes;
	while (caller->nr_free < options->underway) {
		caller->free_ids[caller->nr_free] = caller->nr_free;
		caller->nr_free++;
	}
}

unsigned caller_put(struct caller *caller, uint8_t *out, uint64_t now_ns)
{
	unsigned id = caller->free_ids[--caller->nr_free];
	const struct wire_header header = {
		.type = WIRE_NIL,
		.id = id,
		.body_bytes = caller->body_bytes,
	};

	caller->start_ns[id] = now_ns;
	wire_put_header(out, &header);
	memset(out + WIRE_HEADER_BYTES, 0, caller->body_bytes);
	return id;
}

int caller_take(struct caller *caller, const uint8_t *in, uint64_t now_ns,
		struct hist *hist)
{
	struct wire_header header;

	/* No body: NIL has none, and a refusal is the end. */
	if (wire_get_header(in, 0, &header) || header.type != WIRE_NIL ||
	    header.flags != WIRE_REPLY || header.status ||
	    header.id >= caller->underway_max || !caller->start_ns[header.id])
		return -EPROTO;
	hist_add(hist, now_ns - caller->start_ns[header.id]);
	caller->start_ns[header.id] = 0;
	caller->free_ids[caller->nr_free++] = header.id;
	return 0;
}
