/* SPDX-License-Identifier: MIT */
/*
 * caller_dgram.c - NIL calls by RDMA datagrams
 *
 * As many calls in a datagram as fit. What is lost is asked again: a NIL may be
 * made twice, and its second answer is nobody's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/wire.h"
#include "rdmafetch/verbs_pack.h"
#include "rdmafetch/verbs_ud_link.h"
#include "tools/bench/caller_base.h"

#define AGAIN_MS 100

struct caller_dgram {
	struct caller base;
	struct dgram_call call;
	uint8_t out[DGRAM_MAX_BYTES];
	size_t out_bytes;
};

static struct caller_dgram *dgram_of(struct caller *caller)
{
	return (struct caller_dgram *)caller;
}

/* ---- calls ---- */

static size_t call_bytes(const struct caller_dgram *dgram)
{
	return WIRE_HEADER_BYTES + dgram->base.body_bytes;
}

static void begin(struct caller_dgram *dgram)
{
	const struct dgram_head head = {.kind = DGRAM_PACK,
					.token = dgram->call.token};

	dgram_put(dgram->out, &head);
	dgram->out_bytes = DGRAM_HEAD_BYTES;
}

static bool is_full(const struct caller_dgram *dgram)
{
	return dgram->out_bytes + call_bytes(dgram) > dgram->call.max_bytes;
}

static int send_out(struct caller_dgram *dgram)
{
	struct dgram_link *link = dgram->call.link;
	int error = 0;

	if (dgram->out_bytes > DGRAM_HEAD_BYTES)
		error = link->send(link, dgram->out, dgram->out_bytes);
	begin(dgram);
	return error;
}

static int dgram_start(struct caller *caller, unsigned nr)
{
	struct caller_dgram *dgram = dgram_of(caller);
	uint64_t now_ns = io_monotonic_ns();
	int error = 0;

	begin(dgram);
	for (; nr && !error; nr--) {
		(void)caller_put(caller, dgram->out + dgram->out_bytes, now_ns);
		dgram->out_bytes += call_bytes(dgram);
		if (is_full(dgram))
			error = send_out(dgram);
	}
	return error ? error : send_out(dgram);
}

/* All that are under way; each keeps the time of its first start. */
static int send_again(struct caller_dgram *dgram)
{
	int error = 0;

	begin(dgram);
	for (unsigned id = 0; id < dgram->base.underway_max && !error; id++) {
		const struct wire_header header = {
			.type = WIRE_NIL,
			.id = id,
			.body_bytes = dgram->base.body_bytes,
		};

		if (!dgram->base.start_ns[id])
			continue;
		wire_put_header(dgram->out + dgram->out_bytes, &header);
		memset(dgram->out + dgram->out_bytes + WIRE_HEADER_BYTES, 0,
		       header.body_bytes);
		dgram->out_bytes += call_bytes(dgram);
		if (is_full(dgram))
			error = send_out(dgram);
	}
	return error ? error : send_out(dgram);
}

/* ---- answers ---- */

static bool is_under_way(const struct caller_dgram *dgram, uint32_t id)
{
	return id < dgram->base.underway_max && dgram->base.start_ns[id];
}

/* How many answers are in a datagram, or -errno. */
static int take(struct caller_dgram *dgram, const uint8_t *bytes, size_t len,
		struct hist *hist)
{
	uint64_t now_ns = io_monotonic_ns();
	struct wire_header header;
	struct dgram_head head;
	const uint8_t *message, *body;
	struct vpack pack;
	size_t body_bytes;
	int nr = 0;

	if (dgram_get(bytes, len, &head, &pack.at, &body_bytes))
		return -EPROTO;
	if (head.kind == DGRAM_LOST)
		return -ECONNRESET;
	if (head.kind != DGRAM_PACK)
		return 0;
	pack.left_bytes = (uint32_t)body_bytes;
	for (message = pack.at; pack.left_bytes; message = pack.at) {
		if (vpack_next(&pack, &header, &body))
			return -EPROTO;
		if (!is_under_way(dgram, header.id))
			continue;
		if (caller_take(&dgram->base, message, now_ns, hist))
			return -EPROTO;
		nr++;
	}
	return nr;
}

static int dgram_reap(struct caller *caller, struct hist *hist)
{
	struct caller_dgram *dgram = dgram_of(caller);
	struct dgram_link *link = dgram->call.link;
	int nr = 0;

	for (int ms = 0; !nr && ms < CALLER_PATIENCE_MS;) {
		const uint8_t *bytes;
		int len = link->recv(link, AGAIN_MS, &bytes);

		if (len > 0) {
			nr = take(dgram, bytes, (size_t)len, hist);
		} else {
			nr = len ? len : send_again(dgram);
			ms += AGAIN_MS;
		}
	}
	return nr ? nr : -ETIMEDOUT;
}

/* ---- life ---- */

static void dgram_close(struct caller *caller)
{
	struct caller_dgram *dgram = dgram_of(caller);

	dgram_bye(&dgram->call);
	free(dgram);
}

static const struct caller_ops dgram_ops = {
	.start = dgram_start,
	.reap = dgram_reap,
	.close = dgram_close,
};

int caller_dgram_open(const struct caller_options *options, struct caller **ret,
		      char *why)
{
	struct caller_dgram *dgram = calloc(1, sizeof(*dgram));
	struct verbs_address address = {
		.port = options->address.port,
		.timeout_ms = options->address.timeout_ms,
		.completion = options->completion,
		.sec = options->address.sec,
	};
	int error;

	if (!dgram)
		return -ENOMEM;
	caller_init(&dgram->base, &dgram_ops, options);
	strcpy(address.host, options->address.host);
	(void)snprintf(address.device, sizeof(address.device), "%s",
		       options->device ? options->device : "");
	error = verbs_ud_hello(&address, &dgram->call, why);
	if (!error &&
	    DGRAM_HEAD_BYTES + call_bytes(dgram) > dgram->call.max_bytes) {
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "a request of %u bytes does not fit in a "
			       "datagram of %u here",
			       options->body_bytes, dgram->call.max_bytes);
		error = -EMSGSIZE;
	}
	if (error)
		caller_close(&dgram->base);
	else
		*ret = &dgram->base;
	return error;
}
