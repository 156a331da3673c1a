/* SPDX-License-Identifier: MIT */
/*
 * tcp_batch.h - replies that leave together
 *
 * Pages are copied out of the snapshot straight to their place behind their
 * header, and many replies leave in one send.  A client has two batches: one
 * is filled while the kernel still takes bytes from the other.
 *
 *     buf                                          tail (borrowed)
 *     | header | pages | header | pages | header | descriptor ...|
 *     |<--------------- len_bytes -------------->|<- tail_bytes ->|
 *
 * Threads: all of it belongs to the thread of the loop.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/wire.h"
#include "rdmafetch/serve.h"

/* The largest READ's reply fits behind what bulk reads may fill. */
#define BATCH_BULK_BYTES (256u << 10)
#define BATCH_BYTES	 (WIRE_READ_MAX + BATCH_BULK_BYTES + (64u << 10))
/* Buffers kept warm for the next batch. */
#define BATCH_SPARES_MAX 8u

/* Buffers between two uses.  Zeroed before first use. */
struct batch_pool {
	uint8_t *spares[BATCH_SPARES_MAX];
	unsigned nr_spares;
};

void batch_pool_done(struct batch_pool *pool);

/* Zeroed before first use. */
struct tcp_batch {
	uint8_t *buf;
	size_t len_bytes, sent_bytes;
	struct serve_tail tail;
	struct iovec iov[2];
	struct msghdr msg;
};

/*
 * Bytes that can still be appended; 0 behind a tail, or without memory.  Takes
 * a buffer from @pool when the batch has none.
 */
size_t batch_room(struct tcp_batch *batch, struct batch_pool *pool);

/* Where the next reply's body goes: WIRE_HEADER_BYTES behind the end. */
uint8_t *batch_body(struct tcp_batch *batch);

/*
 * Append @header and its body.  The body is at batch_body() already, but for
 * the part of it that batch_set_tail() gives.
 */
void batch_add(struct tcp_batch *batch, const struct wire_header *header,
	       size_t body_in_buf_bytes);

/* End the batch with @tail, which it owns from here on. */
void batch_set_tail(struct tcp_batch *batch, const struct serve_tail *tail);

/* What is left to send, in a form for sendmsg(2); valid until the next call. */
struct msghdr *batch_msg(struct tcp_batch *batch);

/* @bytes more were sent.  Returns 1 when that was all. */
int batch_sent(struct tcp_batch *batch, size_t bytes);

/* 1 when there is nothing in it. */
int batch_empty(const struct tcp_batch *batch);

/* Make it empty; its buffer goes to @pool. */
void batch_reset(struct tcp_batch *batch, struct batch_pool *pool);
