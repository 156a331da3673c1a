/* SPDX-License-Identifier: MIT */
/*
 * xfer_rounds.c - each cell again and again, by turns with its rival
 *
 * A round measures every cell once, ours and then the rival's, every other
 * round the rival's first: what the machine does meanwhile meets both.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "tools/bench/caller.h"
#include "tools/bench/perftest.h"
#include "tools/bench/rpc.h"
#include "tools/bench/xfer.h"
#include "tools/bench/xfer_link.h"
#include "tools/bench/xfer_source.h"

#define BUF_BYTES      ((size_t)FLOW_DEPTH_MAX * FLOW_LEN_MAX)
#define CALL_UNDERWAY  16u
#define CALL_SECONDS   60u
#define PERFTEST_LEAST 5u
#define NS_PER_S       1e9

struct rounds {
	const struct xfer_options *options;
	struct xfer_source *source;
	void *buf;
	int echo_fd; /* -1: no rival over TCP */
	struct flow_result result;
};

uint32_t xfer_reads(const struct xfer_options *options, uint32_t len_bytes,
		    uint32_t depth)
{
	uint64_t most = ((uint64_t)options->most_mib << 20) / len_bytes;
	uint32_t least =
		2 * depth > PERFTEST_LEAST ? 2 * depth : PERFTEST_LEAST;

	if (most > options->reads)
		most = options->reads;
	return most < least ? least : (uint32_t)most;
}

/* ---- sides of a cell ---- */

static void add_flow(struct xfer_side *side, const struct flow_result *result)
{
	if (result->latency.nr) {
		stats_add(&side->min_ns, result->latency.min);
		stats_add(&side->p50_ns, hist_percentile(&result->latency, 50));
		stats_add(&side->p99_ns, hist_percentile(&result->latency, 99));
	}
	stats_add(&side->bytes_per_s,
		  (uint64_t)((double)result->bytes * NS_PER_S /
			     (double)result->elapsed_ns));
}

static int measure_ours(struct rounds *rounds, struct xfer_cell *cell)
{
	int error = flow_read(xfer_source_transport(rounds->source),
			      rounds->buf, xfer_source_area(rounds->source),
			      &cell->plan, &rounds->result);

	if (!error)
		add_flow(&cell->ours, &rounds->result);
	return error;
}

/* One system call for each read, one after the other: fewer steps cannot bring
 * the bytes here. */
static int copy_local(struct rounds *rounds, const struct xfer_cell *cell)
{
	const struct flow_area *area = xfer_source_area(rounds->source);
	pid_t pid = xfer_source_pid(rounds->source);
	uint64_t len = cell->plan.len_bytes, places = area->len_bytes / len;
	struct flow_result *result = &rounds->result;
	uint64_t begin_ns = io_monotonic_ns();

	memset(result, 0, sizeof(*result));
	for (uint32_t i = 0; i < cell->plan.reads; i++) {
		const struct iovec to = {rounds->buf, len};
		const struct iovec from = {
			(void *)(area->raddr + i % places * len), len};
		uint64_t start_ns = io_monotonic_ns();

		if (process_vm_readv(pid, &to, 1, &from, 1, 0) != (ssize_t)len)
			return errno ? -errno : -EIO;
		if (cell->plan.depth == 1)
			hist_add(&result->latency,
				 io_monotonic_ns() - start_ns);
		result->bytes += len;
	}
	result->elapsed_ns = io_monotonic_ns() - begin_ns;
	return 0;
}

static int run_perftest(const struct xfer_options *options,
			const struct perftest_plan *plan,
			struct perftest_result *ret_result)
{
	int fd CLEANUP_CLOSE = -1, error;
	uint16_t port;

	error = xfer_link_perftest(&options->server, plan, &fd, &port);
	if (!error)
		error = perftest_run(plan, options->server.host, port,
				     ret_result);
	return error;
}

static int measure_perftest(struct rounds *rounds, struct xfer_cell *cell)
{
	const struct perftest_plan plan = {
		.tool = cell->plan.depth == 1 ? PERFTEST_READ_LAT
					      : PERFTEST_READ_BW,
		.size_bytes = cell->plan.len_bytes,
		.depth = cell->plan.depth,
		.iters = cell->plan.reads,
		.events = rounds->options->completion == VERBS_EVENTS,
	};
	struct xfer_side *side = &cell->rival;
	struct perftest_result result;
	int error = run_perftest(rounds->options, &plan, &result);

	cell->rival_name = perftest_tool_name(plan.tool);
	if (error)
		return error;
	if (plan.tool == PERFTEST_READ_LAT) {
		stats_add(&side->min_ns, (uint64_t)result.min_ns);
		stats_add(&side->p50_ns, (uint64_t)result.typical_ns);
		stats_add(&side->p99_ns, (uint64_t)result.p99_ns);
	} else {
		stats_add(&side->bytes_per_s, (uint64_t)result.bytes_per_s);
	}
	return 0;
}

static int measure_rival(struct rounds *rounds, struct xfer_cell *cell)
{
	int error;

	if (rounds->options->proto == PLACE_RDMA)
		return measure_perftest(rounds, cell);
	if (rounds->options->proto == PLACE_LOCAL) {
		cell->rival_name = "process_vm_readv";
		error = copy_local(rounds, cell);
	} else if (cell->plan.depth == 1) {
		cell->rival_name = "echo";
		error = flow_echo(rounds->echo_fd, &cell->plan,
				  &rounds->result);
	} else {
		cell->rival_name = "stream";
		error = flow_stream(rounds->echo_fd, &cell->plan,
				    &rounds->result);
	}
	if (!error)
		add_flow(&cell->rival, &rounds->result);
	return error;
}

static int measure_cell(struct rounds *rounds, struct xfer_cell *cell,
			bool rival_first)
{
	bool has_rival = !rounds->options->no_rival;
	int error = 0;

	if (has_rival && rival_first)
		error = measure_rival(rounds, cell);
	if (!error)
		error = measure_ours(rounds, cell);
	if (!error && has_rival && !rival_first)
		error = measure_rival(rounds, cell);
	if (error)
		say_error("reads of %u bytes, %u at a time, and %s: %s",
			  cell->plan.len_bytes, cell->plan.depth,
			  cell->rival_name, strerror(-error));
	return error;
}

/* ---- calls ---- */

static int call_ours(const struct xfer_options *options,
		     struct xfer_calls *calls, const struct xfer_offer *offer)
{
	struct rpc_options rpc = {
		.proto = options->proto,
		.address = options->server,
		.running_s = CALL_SECONDS,
		.thread_count = options->call_threads,
		.underway = CALL_UNDERWAY,
		.body_bytes = XFER_CALL_BYTES,
		.requests = calls->requests,
		.completion = options->completion,
		.device = options->device,
	};
	struct rpc_total total;
	int error;

	rpc.address.port = options->proto == PLACE_RDMA ? offer->rdma_port
							: offer->tcp_port;
	error = rpc_call(&rpc, &total);
	if (!error)
		stats_add(&calls->ours_per_s,
			  (uint64_t)((double)total.requests * NS_PER_S /
				     (double)total.elapsed_ns));
	return error;
}

struct echo_thread {
	pthread_t thread;
	int fd, error;
	struct flow_plan plan;
	struct flow_result result;
};

static void *echo_main(void *arg)
{
	struct echo_thread *echo = arg;

	echo->error = flow_echo(echo->fd, &echo->plan, &echo->result);
	return NULL;
}

static int start_echo(const struct xfer_options *options,
		      struct echo_thread *echo, uint32_t requests)
{
	int error = xfer_link_echo(&options->server, &echo->fd);

	if (error)
		return error;
	echo->plan = (struct flow_plan){
		.len_bytes = WIRE_HEADER_BYTES, /* as an empty answer */
		.depth = CALL_UNDERWAY,
		.reads = requests,
	};
	error = -pthread_create(&echo->thread, NULL, echo_main, echo);
	if (error) {
		(void)close(echo->fd);
		echo->fd = -1;
	}
	return error;
}

/* As many threads, each with its connection, all at once. */
static int call_echo(const struct xfer_options *options,
		     struct xfer_calls *calls)
{
	unsigned nr = options->call_threads, started = 0;
	CLEANUP_FREE struct echo_thread *echos = calloc(nr, sizeof(*echos));
	uint64_t start_ns = io_monotonic_ns();
	int error = echos ? 0 : -ENOMEM;

	for (; !error && started < nr; started += !error)
		error = start_echo(options, &echos[started], calls->requests);
	for (unsigned i = 0; i < started; i++) {
		(void)pthread_join(echos[i].thread, NULL);
		(void)close(echos[i].fd);
		if (!error)
			error = echos[i].error;
	}
	calls->rival_name = "echo";
	if (!error)
		stats_add(&calls->rival_per_s,
			  (uint64_t)((double)nr * calls->requests * NS_PER_S /
				     (double)(io_monotonic_ns() - start_ns)));
	return error;
}

static int call_perftest(const struct xfer_options *options,
			 struct xfer_calls *calls)
{
	const struct perftest_plan plan = {
		.tool = PERFTEST_SEND_BW,
		.size_bytes = XFER_CALL_BYTES,
		.depth = options->call_threads,
		.iters = calls->requests,
		.events = options->completion == VERBS_EVENTS,
	};
	struct perftest_result result;
	int error = run_perftest(options, &plan, &result);

	calls->rival_name = perftest_tool_name(plan.tool);
	if (!error)
		stats_add(&calls->rival_per_s, (uint64_t)result.messages_per_s);
	return error;
}

static int measure_calls(const struct xfer_options *options,
			 struct xfer_calls *calls)
{
	struct xfer_offer offer;
	int error;

	if (!options->call_threads || options->proto == PLACE_LOCAL)
		return 0;
	error = xfer_link_offer(&options->server, &offer);
	if (!error)
		error = call_ours(options, calls, &offer);
	if (!error && !options->no_rival)
		error = options->proto == PLACE_RDMA
				? call_perftest(options, calls)
				: call_echo(options, calls);
	if (error)
		say_error("empty calls, and %s: %s", calls->rival_name,
			  strerror(-error));
	return error;
}

/* ---- the run ---- */

static void make_cells(struct xfer *xfer)
{
	const struct xfer_options *options = xfer->options;

	for (uint32_t i = 0; i < options->nr_sizes; i++)
		for (uint32_t j = 0; j < options->nr_depths; j++) {
			struct flow_plan *plan =
				&xfer->cells[xfer->nr_cells++].plan;

			xfer->cells[xfer->nr_cells - 1].rival_name = "none";
			plan->len_bytes = options->sizes_bytes[i];
			plan->depth = options->depths[j];
			plan->reads = xfer_reads(options, plan->len_bytes,
						 plan->depth);
		}
	xfer->calls.requests = options->reads;
	xfer->calls.rival_name = "none";
}

static int open_rounds(struct rounds *rounds, struct xfer *xfer)
{
	const struct xfer_options *options = rounds->options;
	struct transport *transport;
	int error = xfer_source_open(options, &rounds->source);

	if (error)
		return error;
	(void)snprintf(xfer->path, sizeof(xfer->path), "%s",
		       xfer_source_path(rounds->source));
	rounds->buf = mmap(NULL, BUF_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	transport = xfer_source_transport(rounds->source);
	if (rounds->buf == MAP_FAILED)
		error = -ENOMEM;
	else if (transport->ops->prepare_buffer)
		error = transport->ops->prepare_buffer(transport, rounds->buf,
						       BUF_BYTES);
	if (!error && options->proto == PLACE_TCP && !options->no_rival)
		error = xfer_link_echo(&options->server, &rounds->echo_fd);
	if (error)
		say_error("preparing to read: %s", strerror(-error));
	return error;
}

static void close_rounds(struct rounds *rounds)
{
	struct transport *transport;

	if (rounds->source && rounds->buf != MAP_FAILED) {
		transport = xfer_source_transport(rounds->source);
		if (transport->ops->release_buffer)
			transport->ops->release_buffer(transport, rounds->buf);
	}
	xfer_source_close(rounds->source);
	if (rounds->buf != MAP_FAILED)
		(void)munmap(rounds->buf, BUF_BYTES);
	if (rounds->echo_fd >= 0)
		(void)close(rounds->echo_fd);
}

int xfer_measure(struct xfer *xfer)
{
	struct rounds rounds = {
		.options = xfer->options,
		.buf = MAP_FAILED,
		.echo_fd = -1,
	};
	int error;

	make_cells(xfer);
	error = open_rounds(&rounds, xfer);
	for (uint32_t round = 0; !error && round < xfer->options->rounds;
	     round++) {
		for (unsigned i = 0; !error && i < xfer->nr_cells; i++)
			error = measure_cell(&rounds, &xfer->cells[i],
					     round % 2);
		if (!error)
			error = measure_calls(xfer->options, &xfer->calls);
	}
	close_rounds(&rounds);
	return error;
}
