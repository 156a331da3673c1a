/* SPDX-License-Identifier: MIT */
/* xfer.c - see xfer.h */
#include "tools/bench/xfer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/say.h"
#include "config.h"
#include "tools/bench/peer.h"
#include "tools/bench/rpc.h"
#include "tools/opts.h"

#define LOOPBACK     "127.0.0.1:0"
#define DEFAULT_PORT 7374
#define DAY_S	     (24u * 3600)
#define LIST_MAX     128u /* bytes of a list's text */

static struct settings {
	bool server, help, version;
	const char *listen, *connect, *proto, *sizes, *depths, *completion;
	struct xfer_options xfer;
} settings = {
	.listen = "127.0.0.1",
	.proto = "tcp",
	.sizes = "4k,64k,1M",
	.depths = "1,16,64",
	.completion = "adaptive",
	.xfer = {.running_s = 600,
		 .reads = 2000,
		 .most_mib = 64,
		 .rounds = 5,
		 .mib = 64,
		 .call_threads = 4},
};

static const struct opts_entry table[] = {
	{"server", NULL, "hold the pages, and the far ends of the rivals",
	 OPTS_FLAG, &settings.server, 0, 0},
	{"listen", "ADDR[:PORT]", "where (127.0.0.1:7374)", OPTS_TEXT,
	 &settings.listen, 0, 0},
	{"connect", "ADDR[:PORT]",
	 "read from the server there; none: from one of our own", OPTS_TEXT,
	 &settings.connect, 0, 0},
	{"proto", "NAME", "local, tcp or rdma (tcp)", OPTS_TEXT,
	 &settings.proto, 0, 0},
	{"sizes", "LIST", "of a read, 4k to 1M (4k,64k,1M)", OPTS_TEXT,
	 &settings.sizes, 0, 0},
	{"depths", "LIST", "reads under way, 1 to 64 (1,16,64)", OPTS_TEXT,
	 &settings.depths, 0, 0},
	{"rounds", "N", "how often each cell is measured (5)", OPTS_U32,
	 &settings.xfer.rounds, 1, XFER_ROUNDS_MAX},
	{"reads", "N", "in each cell and round, at most (2000)", OPTS_U32,
	 &settings.xfer.reads, 5, 1000000},
	{"most", "MIB", "read in each cell and round, at most (64)", OPTS_U32,
	 &settings.xfer.most_mib, 1, 65536},
	{"clients", "N", "that make empty calls; 0: none (4)", OPTS_U32,
	 &settings.xfer.call_threads, 0, RPC_THREADS_MAX},
	{"heap", "MIB", "of the parent (64)", OPTS_U32, &settings.xfer.mib, 8,
	 65536},
	{"completion", "MODE",
	 "of rdma: adaptive, polling or events (adaptive)", OPTS_TEXT,
	 &settings.completion, 0, 0},
	{"rdma-dev", "NAME", "the local device; none: the route's", OPTS_TEXT,
	 &settings.xfer.device, 0, 0},
	{"sec", "KIND", "as mitosisd's: none, munge or psk (none)", OPTS_TEXT,
	 &settings.xfer.sec, 0, 0},
	{"munge-socket", "PATH", "of munged, where it is not the usual one",
	 OPTS_TEXT, &settings.xfer.munge_socket, 0, 0},
	{"psk-file", "PATH", "of keys, for both ends", OPTS_TEXT,
	 &settings.xfer.psk_file, 0, 0},
	{"no-rival", NULL, "leave the link's own tools out", OPTS_FLAG,
	 &settings.xfer.no_rival, 0, 0},
	{"server_running_secs", "S", "how long the server serves (600)",
	 OPTS_SECONDS, &settings.xfer.running_s, 1, DAY_S},
	{"server-running-secs", "S", NULL, OPTS_SECONDS,
	 &settings.xfer.running_s, 1, DAY_S},
	{"json", NULL, "one line of JSON for each measured thing", OPTS_FLAG,
	 &settings.xfer.json, 0, 0},
	{"help", NULL, "this text", OPTS_FLAG, &settings.help, 0, 0},
	{"version", NULL, "the version", OPTS_FLAG, &settings.version, 0, 0},
	{0},
};

static int say_help(void)
{
	(void)printf(
		"Usage: mitosis-bench transport [OPTION...]\n"
		"       mitosis-bench transport --server [OPTION...]\n"
		"Measure reads of a parent's pages beside the link's own "
		"tools.\n\n");
	opts_help(table, stdout);
	return EXIT_SUCCESS;
}

static int wrong(const char *option, const char *value, const char *wanted)
{
	say_error("--%s %s: %s", option, value, wanted);
	return -EINVAL;
}

/* ---- lists ---- */

static int parse_size(const char *word, uint32_t *ret)
{
	uint64_t bytes;

	if (parse_bytes(word, FLOW_LEN_MAX, &bytes) || bytes < PAGE_BYTES ||
	    bytes % PAGE_BYTES)
		return -EINVAL;
	*ret = (uint32_t)bytes;
	return 0;
}

static int parse_depth(const char *word, uint32_t *ret)
{
	uint64_t depth;

	if (parse_u64(word, 1, FLOW_DEPTH_MAX, &depth))
		return -EINVAL;
	*ret = (uint32_t)depth;
	return 0;
}

static int parse_list(const char *text, uint32_t max,
		      int (*parse)(const char *word, uint32_t *ret),
		      uint32_t *items, uint32_t *ret_nr)
{
	char copy[LIST_MAX], *rest = copy, *word;
	uint32_t nr = 0;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	while ((word = strsep(&rest, ","))) {
		if (nr == max || parse(word, &items[nr]))
			return -EINVAL;
		nr++;
	}
	*ret_nr = nr;
	return 0;
}

/* ---- options ---- */

static int parse_places(struct xfer_options *xfer)
{
	const char *place = settings.connect  ? settings.connect
			    : settings.server ? settings.listen
					      : LOOPBACK;

	if (settings.server && settings.connect) {
		say_error("--server and --connect exclude each other");
		return -EINVAL;
	}
	if (place_proto_parse(settings.proto, &xfer->proto) ||
	    xfer->proto == PLACE_RDMA_UD)
		return wrong("proto", settings.proto,
			     "local, tcp or rdma is wanted");
	if (xfer->proto == PLACE_LOCAL && (settings.server || settings.connect))
		return wrong("proto", settings.proto,
			     "there is no server of that");
	if (place_parse(place, DEFAULT_PORT, &xfer->server))
		return wrong(settings.server ? "listen" : "connect", place,
			     "ADDR or ADDR:PORT is wanted");
	xfer->has_server = settings.connect;
	return 0;
}

static int parse_options(int argc, char **argv)
{
	struct xfer_options *xfer = &settings.xfer;
	int first = opts_parse(table, argc, argv);
	char why[WIRE_WHY_MAX + 1];

	if (first < 0)
		return first;
	if (settings.help || settings.version)
		return 0;
	if (first < argc) {
		say_error(
			"%s: options only are wanted: see mitosis-bench "
			"transport --help",
			argv[first]);
		return -EINVAL;
	}
	if (parse_list(settings.sizes, XFER_SIZES_MAX, parse_size,
		       xfer->sizes_bytes, &xfer->nr_sizes))
		return wrong("sizes", settings.sizes,
			     "up to eight from 4k to 1M, whole pages, are "
			     "wanted");
	if (parse_list(settings.depths, XFER_DEPTHS_MAX, parse_depth,
		       xfer->depths, &xfer->nr_depths))
		return wrong("depths", settings.depths,
			     "up to eight from 1 to 64 are wanted");
	if (place_completion_parse(settings.completion, &xfer->completion))
		return wrong("completion", settings.completion,
			     "adaptive, polling or events is wanted");
	if (parse_places(xfer))
		return -EINVAL;
	if (sec_set(&(struct sec_words){.kind = xfer->sec,
					.munge_socket = xfer->munge_socket,
					.psk_file = xfer->psk_file},
		    &xfer->server.sec, why)) {
		say_error("%s", why);
		return -EINVAL;
	}
	return 0;
}

/* ---- roles ---- */

/* A server of our own; it ends with us, whatever becomes of us. */
static int start_server(struct peer *ret_server)
{
	struct peer server CLEANUP(peer_close) = PEER_NONE;
	pid_t us = getpid();
	int ready[2], error;

	if (pipe(ready))
		return -errno;
	server.from_fd = ready[0];
	server.pid = fork();
	if (!server.pid) {
		(void)close(ready[0]);
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		error = getppid() != us || xfer_serve(&settings.xfer, ready[1]);
		_exit(error ? 1 : 0);
	}
	(void)close(ready[1]);
	if (server.pid < 0)
		return -errno;
	*ret_server = server;
	server = PEER_NONE;
	return 0;
}

static int connect_to_own(struct peer *server)
{
	char where[PEER_LINE_MAX];
	struct sec_settings sec = settings.xfer.server.sec;
	int error = peer_hear(server, "ready", where, NULL);

	if (!error)
		error = place_parse(where, 0, &settings.xfer.server);
	settings.xfer.server.sec = sec;
	return error;
}

static int measure(void)
{
	struct xfer *xfer CLEANUP_FREE = calloc(1, sizeof(*xfer));
	struct peer server = PEER_NONE;
	bool own =
		settings.xfer.proto != PLACE_LOCAL && !settings.xfer.has_server;
	int error = xfer ? 0 : -ENOMEM;

	if (!error && own)
		error = start_server(&server);
	if (!error && own)
		error = connect_to_own(&server);
	if (!error) {
		xfer->options = &settings.xfer;
		error = xfer_measure(xfer);
	}
	if (!error)
		xfer_report(xfer);
	if (server.pid > 0)
		(void)kill(server.pid, SIGTERM);
	peer_close(&server);
	return error;
}

int xfer_main(int argc, char **argv)
{
	int error;

	if (parse_options(argc, argv))
		return 2;
	if (settings.help)
		return say_help();
	if (settings.version)
		return printf("mitosis-bench %s\n", MITOSIS_VERSION) < 0;
	(void)signal(SIGPIPE, SIG_IGN);
	if (settings.server)
		error = xfer_serve(&settings.xfer, STDOUT_FILENO);
	else
		error = measure();
	return error ? 1 : 0;
}
