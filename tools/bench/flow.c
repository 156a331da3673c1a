/* SPDX-License-Identifier: MIT */
/* flow.c - see flow.h */
#include "tools/bench/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"

#define PATIENCE_MS 10000
/* The first word of the heap's page i is i times this (parent.c). */
#define FACTOR 2654435761ull

struct flow {
	struct transport *transport;
	uint8_t *buf;
	const struct flow_area *area;
	const struct flow_plan *plan;
	uint32_t started, done;
	unsigned nr_free, free_slots[FLOW_DEPTH_MAX];
	struct transport_read reads[FLOW_DEPTH_MAX]; /* by slot */
	uint64_t start_ns[FLOW_DEPTH_MAX];
};

uint64_t flow_heap_start(uint64_t raddr, uint64_t word)
{
	uint64_t bytes = word / FACTOR * PAGE_BYTES;

	return word % FACTOR || bytes > raddr ? 0 : raddr - bytes;
}

static struct transport_read next_read(const struct flow *flow, unsigned slot)
{
	uint64_t len = flow->plan->len_bytes;
	uint64_t places = flow->area->len_bytes / len;

	return (struct transport_read){
		.object = SOURCE_MEMORY,
		.len_bytes = flow->plan->len_bytes,
		.raddr = flow->area->raddr + flow->started % places * len,
		.buf = flow->buf + slot * len,
		.token = slot,
		/* One alone is what a fault waits for; many are prefetch. */
		.urgent = flow->plan->depth == 1,
	};
}

/* Begin as many reads as there is room for. */
static int start(struct flow *flow)
{
	struct transport_read reads[FLOW_DEPTH_MAX];
	uint64_t now_ns = io_monotonic_ns();
	uint32_t first = flow->started;
	unsigned nr = 0;
	int taken;

	for (; nr < flow->nr_free && flow->started < flow->plan->reads; nr++) {
		unsigned slot = flow->free_slots[flow->nr_free - 1 - nr];

		reads[nr] = flow->reads[slot] = next_read(flow, slot);
		flow->start_ns[slot] = now_ns;
		flow->started++;
	}
	if (!nr)
		return 0;
	taken = flow->transport->ops->submit(flow->transport, reads, nr);
	flow->started = first + (taken > 0 ? (uint32_t)taken : 0);
	flow->nr_free -= taken > 0 ? (unsigned)taken : 0;
	return taken < 0 && taken != -EAGAIN ? taken : 0;
}

/* Each page of a read that came is the one that was asked for. */
static bool is_right(const struct flow *flow, const struct transport_read *read)
{
	uint64_t page = (read->raddr - flow->area->raddr) / PAGE_BYTES;
	const uint8_t *at = read->buf, *end = at + read->len_bytes;
	uint64_t word;

	for (; at < end; at += PAGE_BYTES, page++) {
		memcpy(&word, at, sizeof(word));
		if (word != page * FACTOR)
			return false;
	}
	return true;
}

static int reap(struct flow *flow, struct flow_result *result)
{
	struct transport_done done[FLOW_DEPTH_MAX];
	int nr = flow->transport->ops->reap(flow->transport, done,
					    FLOW_DEPTH_MAX, PATIENCE_MS);
	uint64_t now_ns = io_monotonic_ns();

	if (!nr)
		return -ETIMEDOUT;
	for (int i = 0; i < nr; i++) {
		unsigned slot = (unsigned)done[i].token;

		if (done[i].result)
			return done[i].result;
		hist_add(&result->latency, now_ns - flow->start_ns[slot]);
		if (!is_right(flow, &flow->reads[slot]))
			return -EILSEQ;
		flow->free_slots[flow->nr_free++] = slot;
		flow->done++;
	}
	return nr < 0 ? nr : 0;
}

int flow_read(struct transport *transport, void *buf,
	      const struct flow_area *area, const struct flow_plan *plan,
	      struct flow_result *ret)
{
	struct flow flow = {
		.transport = transport,
		.buf = buf,
		.area = area,
		.plan = plan,
	};
	uint64_t start_ns = io_monotonic_ns();
	int error = 0;

	memset(ret, 0, sizeof(*ret));
	while (flow.nr_free < plan->depth) {
		flow.free_slots[flow.nr_free] = flow.nr_free;
		flow.nr_free++;
	}
	while (!error && flow.done < plan->reads) {
		error = start(&flow);
		if (!error)
			error = reap(&flow, ret);
	}
	ret->elapsed_ns = io_monotonic_ns() - start_ns;
	ret->bytes = (uint64_t)flow.done * plan->len_bytes;
	return error;
}

/* ---- the rival ---- */

int flow_echo_serve(int fd)
{
	CLEANUP_FREE uint8_t *bytes = calloc(1, FLOW_LEN_MAX);
	struct flow_request request;
	int error = bytes ? 0 : -ENOMEM;

	while (!error) {
		error = io_read_all(fd, &request, sizeof(request));
		if (!error && request.len_bytes > FLOW_LEN_MAX)
			error = -EPROTO;
		for (; !error && request.count; request.count--)
			error = io_write_all(fd, bytes, request.len_bytes);
	}
	return error == -ENODATA ? 0 : error;
}

static int ask(int fd, uint32_t len_bytes, uint32_t count)
{
	const struct flow_request request = {len_bytes, count, {0}};

	return io_write_all(fd, &request, sizeof(request));
}

int flow_echo(int fd, const struct flow_plan *plan, struct flow_result *ret)
{
	CLEANUP_FREE uint8_t *buf = malloc(plan->len_bytes);
	uint64_t begin_ns = io_monotonic_ns(), start_ns[FLOW_DEPTH_MAX];
	uint32_t asked = 0;
	int error = buf ? 0 : -ENOMEM;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t done = 0; !error && done < plan->reads; done++) {
		while (!error && asked < plan->reads &&
		       asked - done < plan->depth) {
			start_ns[asked++ % FLOW_DEPTH_MAX] = io_monotonic_ns();
			error = ask(fd, plan->len_bytes, 1);
		}
		if (!error)
			error = io_read_all(fd, buf, plan->len_bytes);
		if (!error)
			hist_add(&ret->latency,
				 io_monotonic_ns() -
					 start_ns[done % FLOW_DEPTH_MAX]);
	}
	ret->elapsed_ns = io_monotonic_ns() - begin_ns;
	ret->bytes = (uint64_t)plan->reads * plan->len_bytes;
	return error;
}

int flow_stream(int fd, const struct flow_plan *plan, struct flow_result *ret)
{
	CLEANUP_FREE uint8_t *buf = malloc(plan->len_bytes);
	uint64_t begin_ns = io_monotonic_ns();
	int error = buf ? ask(fd, plan->len_bytes, plan->reads) : -ENOMEM;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t done = 0; !error && done < plan->reads; done++)
		error = io_read_all(fd, buf, plan->len_bytes);
	ret->elapsed_ns = io_monotonic_ns() - begin_ns;
	ret->bytes = (uint64_t)plan->reads * plan->len_bytes;
	return error;
}
