/* SPDX-License-Identifier: MIT */
/*
 * xfer.h - "mitosis-bench transport": page reads beside the link's own tools
 *
 *     xfer.c            options, roles
 *       xfer_rounds.c   each cell again and again, by turns with its rival
 *         xfer_source.c   a transport to the pages of a parent
 *           flow.c          reads under way
 *         xfer_link.c     connections to the serving role, for the rivals
 *         perftest.c      ib_read_lat, ib_read_bw, ib_send_bw
 *       xfer_report.c   tables and JSON
 *       xfer_server.c   a parent, its image in a mitosisd, the rivals' far ends
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/flow.h"
#include "tools/bench/place.h"
#include "tools/bench/stats.h"

#define XFER_SIZES_MAX	8u
#define XFER_DEPTHS_MAX 8u
#define XFER_CELLS_MAX	(XFER_SIZES_MAX * XFER_DEPTHS_MAX)
#define XFER_ROUNDS_MAX 100u
#define XFER_CALL_BYTES 64u /* of an empty call's request, and its rival's */

struct xfer_options {
	enum place_proto proto;
	struct tcp_address server; /* where it is, or is to be */
	bool has_server;	   /* else one of our own, on loopback */
	uint32_t running_s;	   /* of the serving role */
	uint32_t nr_sizes, sizes_bytes[XFER_SIZES_MAX];
	uint32_t nr_depths, depths[XFER_DEPTHS_MAX];
	uint32_t reads;	       /* in each cell and round, at most */
	uint32_t most_mib;     /* to be read in each cell and round */
	uint32_t rounds;       /* at most XFER_ROUNDS_MAX */
	uint32_t mib;	       /* of the parent's heap */
	uint32_t call_threads; /* clients that call; 0: no calls */
	enum verbs_completion completion; /* of rdma, as the device */
	const char *device;		  /* NULL: the route's */
	bool no_rival, json;
	/* of the serving role's mitosisd */
	const char *sec, *munge_socket, *psk_file;
};

/* One side of a cell: a sample for each round; none where it cannot say. */
struct xfer_side {
	struct stats min_ns, p50_ns, p99_ns, bytes_per_s;
};

struct xfer_cell {
	struct flow_plan plan;
	struct xfer_side ours, rival;
	const char *rival_name;
};

/* Empty calls, and messages of the rival. */
struct xfer_calls {
	uint32_t requests; /* of each thread and round */
	struct stats ours_per_s, rival_per_s;
	const char *rival_name;
};

/* All that one run measures. */
struct xfer {
	const struct xfer_options *options;
	unsigned nr_cells;
	struct xfer_cell cells[XFER_CELLS_MAX];
	struct xfer_calls calls;
	char path[64]; /* in words: how the pages come */
};

/* The program, from argv[0] == "transport" on.  Returns the exit status. */
int xfer_main(int argc, char **argv);

/*
 * Fill @xfer->cells as the options say and measure them.  Says its error and
 * returns -errno.
 */
int xfer_measure(struct xfer *xfer);

void xfer_report(const struct xfer *xfer);

/* How many reads a cell has: no more bytes than allowed, and some anyway. */
uint32_t xfer_reads(const struct xfer_options *options, uint32_t len_bytes,
		    uint32_t depth);

/*
 * Serve until the time is over, or SIGTERM or SIGINT; "ready" and the place go
 * to @ready_fd once all is there.  Says its error and returns -errno.
 */
int xfer_serve(const struct xfer_options *options, int ready_fd);
