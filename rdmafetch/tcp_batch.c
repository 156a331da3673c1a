/* SPDX-License-Identifier: MIT */
/* tcp_batch.c - see tcp_batch.h */
#include "rdmafetch/tcp_batch.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *get_buf(struct batch_pool *pool)
{
	if (pool->nr_spares)
		return pool->spares[--pool->nr_spares];
	return malloc(BATCH_BYTES);
}

static void put_buf(struct batch_pool *pool, uint8_t *buf)
{
	if (buf && pool->nr_spares < BATCH_SPARES_MAX)
		pool->spares[pool->nr_spares++] = buf;
	else
		free(buf);
}

void batch_pool_done(struct batch_pool *pool)
{
	while (pool->nr_spares)
		free(pool->spares[--pool->nr_spares]);
}

size_t batch_room(struct tcp_batch *batch, struct batch_pool *pool)
{
	if (batch->tail.bytes)
		return 0;
	if (!batch->buf)
		batch->buf = get_buf(pool);
	return batch->buf ? BATCH_BYTES - batch->len_bytes : 0;
}

uint8_t *batch_body(struct tcp_batch *batch)
{
	return batch->buf + batch->len_bytes + WIRE_HEADER_BYTES;
}

void batch_add(struct tcp_batch *batch, const struct wire_header *header,
	       size_t body_in_buf_bytes)
{
	wire_put_header(batch->buf + batch->len_bytes, header);
	batch->len_bytes += WIRE_HEADER_BYTES + body_in_buf_bytes;
}

void batch_set_tail(struct tcp_batch *batch, const struct serve_tail *tail)
{
	batch->tail = *tail;
}

static size_t total(const struct tcp_batch *batch)
{
	return batch->len_bytes + batch->tail.len_bytes;
}

struct msghdr *batch_msg(struct tcp_batch *batch)
{
	size_t sent = batch->sent_bytes, skip = 0;
	struct iovec *iov = batch->iov;

	if (sent < batch->len_bytes)
		*iov++ = (struct iovec){batch->buf + sent,
					batch->len_bytes - sent};
	else
		skip = sent - batch->len_bytes;
	if (batch->tail.len_bytes > skip)
		*iov++ = (struct iovec){(void *)(batch->tail.bytes + skip),
					batch->tail.len_bytes - skip};
	batch->msg = (struct msghdr){
		.msg_iov = batch->iov,
		.msg_iovlen = (size_t)(iov - batch->iov),
	};
	return &batch->msg;
}

int batch_sent(struct tcp_batch *batch, size_t bytes)
{
	batch->sent_bytes += bytes;
	return batch->sent_bytes >= total(batch);
}

int batch_empty(const struct tcp_batch *batch)
{
	return !total(batch);
}

void batch_reset(struct tcp_batch *batch, struct batch_pool *pool)
{
	if (batch->tail.done)
		batch->tail.done(batch->tail.owner);
	put_buf(pool, batch->buf);
	memset(batch, 0, sizeof(*batch));
}
