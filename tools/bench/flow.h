/* SPDX-License-Identifier: MIT */
/*
 * flow.h - keep reads under way on a transport, or requests on a plain socket
 *
 * What mitosisfs does without all that it decides: the next read begins when
 * one has come.  Beside it the rival, "echo": blocking system calls on a socket
 * whose far end answers each request with as many bytes as it asks for.  One
 * thread for each flow.
 */
#pragma once

#include <stdint.h>

#include "rdmafetch/transport.h"
#include "common/hist.h"

#define FLOW_DEPTH_MAX 64u
#define FLOW_LEN_MAX   TRANSPORT_READ_MAX

struct flow_plan {
	uint32_t len_bytes; /* of each read: at most FLOW_LEN_MAX */
	uint32_t depth;	    /* reads under way: at most FLOW_DEPTH_MAX */
	uint32_t reads;
};

/* Where to read: whole pages, read from the front to the back and again. */
struct flow_area {
	uint64_t raddr;
	uint64_t len_bytes; /* at least FLOW_LEN_MAX */
};

struct flow_result {
	struct hist latency; /* nanoseconds, from submit to reap */
	uint64_t elapsed_ns, bytes;
};

/*
 * Run @plan on @transport into @buf (depth * len_bytes).  Each page that comes
 * must be the parent's of tools/bench/parent.c, whose heap begins at
 * @area->raddr.
 *
 * Returns 0, -ETIMEDOUT when nothing comes for ten seconds, -EILSEQ for a wrong
 * page, or a read's error.
 */
int flow_read(struct transport *transport, void *buf,
	      const struct flow_area *area, const struct flow_plan *plan,
	      struct flow_result *ret);

/* What flow_area must be, from one page of the parent's heap: its address and
 * first word.  Returns 0 when the page cannot be one. */
uint64_t flow_heap_start(uint64_t raddr, uint64_t word);

/* ---- the rival ---- */

/* A request: @count times @len_bytes are wanted.  As long as a READ is. */
struct flow_request {
	uint32_t len_bytes, count;
	uint8_t rest[40];
};

/* Answer requests on @fd until the far end hangs up.  0 or -errno. */
int flow_echo_serve(int fd);

/* Run @plan on @fd, a connected blocking socket.  0 or -errno. */
int flow_echo(int fd, const struct flow_plan *plan, struct flow_result *ret);

/* As flow_echo(), all with one request: a stream of bytes; no latency. */
int flow_stream(int fd, const struct flow_plan *plan, struct flow_result *ret);
