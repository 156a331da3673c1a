/* SPDX-License-Identifier: MIT */
/*
 * rpc.h - "mitosis-bench rpc": how many calls a second one server thread
 * answers
 *
 *     rpc.c             options, roles
 *       rpc_client.c    threads that call, a line for each interval, the total
 *         caller.c      NIL calls over one connection
 *       rpc_server.c    mitosisd's serving end with nothing behind it
 *
 * The knobs are those of the ancestor's benchmark, by its names.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/place.h"

#define RPC_THREADS_MAX 256u

struct rpc_options {
	enum place_proto proto;
	struct tcp_address address; /* of the server */
	uint32_t running_s;	    /* of this role */
	uint32_t thread_count, underway, body_bytes, report_interval_s;
	uint32_t requests; /* each thread then stops; 0: after running_s */
	enum verbs_completion completion; /* of rdma, as the device */
	const char *device;		  /* NULL: the route's */
	bool json;
};

/* What a run of clients came to. */
struct rpc_total {
	uint64_t requests, elapsed_ns, p50_ns, p99_ns, max_ns;
};

/*
 * The program, from argv[0] == "rpc" on.  Returns the exit status.
 */
int rpc_main(int argc, char **argv);

/*
 * Call until the time is over or the requests are made.  Prints a line for each
 * interval unless @options->report_interval_s is 0.  Says its error and returns
 * -errno.
 */
int rpc_call(const struct rpc_options *options, struct rpc_total *ret_total);

/*
 * Serve NIL until the time is over, or SIGTERM or SIGINT; prints where, and in
 * the end how many.  Says its error and returns -errno.
 */
int rpc_serve(const struct rpc_options *options);
