/* SPDX-License-Identifier: MIT */
/* rpc.c - see rpc.h */
#include "tools/bench/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/say.h"
#include "config.h"
#include "tools/bench/caller.h"
#include "tools/opts.h"

#define DEFAULT_LISTEN "127.0.0.1:7373"
#define DAY_S	       (24u * 3600)

static struct settings {
	bool server, help, version;
	const char *listen, *connect, *proto, *completion, *sec, *munge_socket;
	uint32_t server_s, client_s;
	struct rpc_options rpc;
} settings = {
	.listen = DEFAULT_LISTEN,
	.proto = "tcp",
	.completion = "adaptive",
	.server_s = 80,
	.client_s = 60,
	.rpc = {.thread_count = 4, .underway = 1, .report_interval_s = 1},
};

/* The ancestor's spelling is written with underscores. */
static const struct opts_entry table[] = {
	{"server", NULL, "answer calls", OPTS_FLAG, &settings.server, 0, 0},
	{"listen", "ADDR[:PORT]", "where (" DEFAULT_LISTEN ")", OPTS_TEXT,
	 &settings.listen, 0, 0},
	{"connect", "HOST[:PORT]",
	 "call the server there, or a mitosisd; may run on several hosts",
	 OPTS_TEXT, &settings.connect, 0, 0},
	{"proto", "NAME", "tcp, rdma or rdma-ud (tcp)", OPTS_TEXT,
	 &settings.proto, 0, 0},
	{"server_running_secs", "S", "how long the server serves (80)",
	 OPTS_SECONDS, &settings.server_s, 1, DAY_S},
	{"server-running-secs", "S", NULL, OPTS_SECONDS, &settings.server_s, 1,
	 DAY_S},
	{"client_running_secs", "S", "how long clients call (60)", OPTS_SECONDS,
	 &settings.client_s, 1, DAY_S},
	{"client-running-secs", "S", NULL, OPTS_SECONDS, &settings.client_s, 1,
	 DAY_S},
	{"thread_count", "N", "client threads, a connection each (4)", OPTS_U32,
	 &settings.rpc.thread_count, 1, RPC_THREADS_MAX},
	{"thread-count", "N", NULL, OPTS_U32, &settings.rpc.thread_count, 1,
	 RPC_THREADS_MAX},
	{"report_interval", "S", "a line for each S seconds; 0: none (1)",
	 OPTS_SECONDS, &settings.rpc.report_interval_s, 0, DAY_S},
	{"report-interval", "S", NULL, OPTS_SECONDS,
	 &settings.rpc.report_interval_s, 0, DAY_S},
	{"outstanding", "N", "calls under way in each thread (1)", OPTS_U32,
	 &settings.rpc.underway, 1, CALLER_UNDERWAY_MAX},
	{"body", "BYTES", "of each request, up to 4096 (0)", OPTS_U32,
	 &settings.rpc.body_bytes, 0, WIRE_REQUEST_MAX},
	{"requests", "N", "each thread makes N calls and stops", OPTS_U32,
	 &settings.rpc.requests, 1, UINT32_MAX},
	{"completion", "MODE",
	 "of rdma: adaptive, polling or events (adaptive)", OPTS_TEXT,
	 &settings.completion, 0, 0},
	{"rdma-dev", "NAME", "the local device; none: the route's", OPTS_TEXT,
	 &settings.rpc.device, 0, 0},
	{"sec", "KIND",
	 "how a mitosisd knows its clients: none or munge (none)", OPTS_TEXT,
	 &settings.sec, 0, 0},
	{"munge-socket", "PATH", "of munged, where it is not the usual one",
	 OPTS_TEXT, &settings.munge_socket, 0, 0},
	{"json", NULL, "one line of JSON for each line of text", OPTS_FLAG,
	 &settings.rpc.json, 0, 0},
	{"help", NULL, "this text", OPTS_FLAG, &settings.help, 0, 0},
	{"version", NULL, "the version", OPTS_FLAG, &settings.version, 0, 0},
	{0},
};

static int say_help(void)
{
	(void)printf(
		"Usage: mitosis-bench rpc --server [OPTION...]\n"
		"       mitosis-bench rpc --connect HOST[:PORT] "
		"[OPTION...]\n"
		"Measure how many empty calls a second one server thread "
		"answers.\n\n");
	opts_help(table, stdout);
	return EXIT_SUCCESS;
}

static int parse(int argc, char **argv)
{
	struct rpc_options *rpc = &settings.rpc;
	int first = opts_parse(table, argc, argv);
	char why[WIRE_WHY_MAX + 1];
	const char *place;

	if (first < 0)
		return first;
	if (settings.help || settings.version)
		return 0;
	if (first < argc || settings.server == !!settings.connect) {
		say_error(
			"either --server or --connect HOST is wanted: see "
			"mitosis-bench rpc --help");
		return -EINVAL;
	}
	if (place_proto_parse(settings.proto, &rpc->proto) ||
	    rpc->proto == PLACE_LOCAL) {
		say_error("--proto %s: tcp, rdma or rdma-ud is wanted",
			  settings.proto);
		return -EINVAL;
	}
	if (place_completion_parse(settings.completion, &rpc->completion)) {
		say_error(
			"--completion %s: adaptive, polling or events is "
			"wanted",
			settings.completion);
		return -EINVAL;
	}
	if (rpc->proto == PLACE_RDMA &&
	    rpc->underway > CALLER_UNDERWAY_RDMA_MAX) {
		say_error("--outstanding %u: over rdma up to %u are possible",
			  rpc->underway, CALLER_UNDERWAY_RDMA_MAX);
		return -EINVAL;
	}
	place = settings.server ? settings.listen : settings.connect;
	if (place_parse(place, WIRE_PORT, &rpc->address)) {
		say_error("%s: HOST or HOST:PORT is wanted", place);
		return -EINVAL;
	}
	if (sec_set(&(struct sec_words){.kind = settings.sec,
					.munge_socket = settings.munge_socket},
		    &rpc->address.sec, why)) {
		say_error("%s", why);
		return -EINVAL;
	}
	if (rpc->address.sec.kind == WIRE_SEC_PSK) {
		say_error("--sec psk: calls are measured outside of TLS");
		return -EINVAL;
	}
	rpc->running_s =
		settings.server ? settings.server_s : settings.client_s;
	return 0;
}

static void print_total(const struct rpc_total *total)
{
	double rate = (double)total->requests * 1e9 / (double)total->elapsed_ns;

	if (!settings.rpc.json) {
		(void)printf(
			"total: %lu requests in %lu us, thpt: %.0f requests/s, "
			"latency p50 %.1f us, p99 %.1f us\n",
			total->requests, total->elapsed_ns / 1000, rate,
			total->p50_ns / 1e3, total->p99_ns / 1e3);
		return;
	}
	(void)printf(
		"{\"benchmark\": \"rpc\", \"proto\": \"%s\", "
		"\"threads\": %u, \"outstanding\": %u, "
		"\"body_bytes\": %u, \"requests\": %lu, "
		"\"elapsed_ns\": %lu, \"requests_per_s\": %.0f, "
		"\"p50_ns\": %lu, \"p99_ns\": %lu, "
		"\"max_ns\": %lu}\n",
		place_proto_name(settings.rpc.proto), settings.rpc.thread_count,
		settings.rpc.underway, settings.rpc.body_bytes, total->requests,
		total->elapsed_ns, rate, total->p50_ns, total->p99_ns,
		total->max_ns);
}

int rpc_main(int argc, char **argv)
{
	struct rpc_total total;
	int error;

	if (parse(argc, argv))
		return 2;
	if (settings.help)
		return say_help();
	if (settings.version)
		return printf("mitosis-bench %s\n", MITOSIS_VERSION) < 0;
	if (settings.server)
		return rpc_serve(&settings.rpc) ? 1 : 0;
	error = rpc_call(&settings.rpc, &total);
	if (!error)
		print_total(&total);
	return error ? 1 : 0;
}
