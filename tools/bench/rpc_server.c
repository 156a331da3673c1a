/* SPDX-License-Identifier: MIT */
/*
 * rpc_server.c - the serving end with nothing behind it
 *
 * NIL never reaches a handler, so this one knows everybody and refuses the
 * rest: there is nothing here that a stranger could learn.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "rdmafetch/tcp_serve.h"
#include "rdmafetch/verbs_serve.h"
#include "rdmafetch/verbs_ud_serve.h"
#include "tools/bench/rpc.h"

#define NS_PER_S     1000000000ull
#define LOOP_ENTRIES 256
#define CLIENTS_MAX  (4 * RPC_THREADS_MAX)

struct rpc_server {
	struct loop *loop;
	/* One of them. */
	struct tcp_serve *tcp;
	struct verbs_serve *verbs;
	struct verbs_ud_serve *ud;
	struct loop_watch *stop_watch;
	struct loop_timer end;
	char where[PLACE_TEXT_MAX];
};

static int join(void *arg, const struct serve_origin *origin,
		void **ret_session, char *why)
{
	*ret_session = arg;
	return 0;
}

static void leave(void *session)
{
}

static void request(void *session, const struct serve_ticket *ticket,
		    const uint8_t *body, size_t body_bytes)
{
	(void)serve_refuse(ticket, -EOPNOTSUPP,
			   "this is a benchmark: it has no images");
}

static int source(void *session, uint32_t handle,
		  struct page_source **ret_source)
{
	return -EBADF;
}

static const struct serve_ops nothing_ops = {
	.join = join,
	.leave = leave,
	.request = request,
	.source = source,
};

/* ---- ways in ---- */

static struct serve_options many_clients(void)
{
	struct serve_options serve = serve_defaults;

	serve.clients_max = serve.strangers_max = CLIENTS_MAX;
	return serve;
}

static int open_tcp(struct rpc_server *server,
		    const struct rpc_options *options)
{
	const struct serve_options serve = many_clients();
	int sock CLEANUP_CLOSE = -1;
	int error = tcp_serve_open(server->loop, &serve, &nothing_ops, server,
				   &server->tcp);

	if (!error)
		error = place_listen(&options->address, &sock);
	if (error)
		return error;
	place_text(sock, server->where);
	error = tcp_serve_listen(server->tcp, sock);
	if (!error)
		sock = -1;
	return error;
}

static int open_verbs(struct rpc_server *server,
		      const struct rpc_options *options)
{
	const struct serve_options serve = many_clients();
	struct sockaddr_storage addr;
	uint16_t port;
	int error = verbs_serve_open(server->loop, &serve, &nothing_ops, server,
				     &server->verbs);

	if (!error)
		error = place_resolve(&options->address, &addr);
	if (!error)
		error = verbs_serve_listen(server->verbs,
					   (struct sockaddr *)&addr, &port);
	if (!error)
		(void)snprintf(server->where, sizeof(server->where), "%s:%u",
			       options->address.host, port);
	return error;
}

static int open_ud(struct rpc_server *server, const struct rpc_options *options)
{
	const struct serve_options serve = many_clients();
	struct sockaddr_storage addr;
	uint16_t port;
	int error = verbs_ud_serve_open(server->loop, &serve, &nothing_ops,
					server, &server->ud);

	if (!error)
		error = place_resolve(&options->address, &addr);
	if (!error)
		error = verbs_ud_serve_listen(server->ud,
					      (struct sockaddr *)&addr, &port);
	if (!error)
		(void)snprintf(server->where, sizeof(server->where), "%s:%u",
			       options->address.host, port);
	return error;
}

static int open_server(struct rpc_server *server,
		       const struct rpc_options *options)
{
	int error = loop_open(LOOP_ENTRIES, &server->loop);

	if (error)
		return error;
	if (options->proto == PLACE_RDMA)
		return open_verbs(server, options);
	if (options->proto == PLACE_RDMA_UD)
		return open_ud(server, options);
	return open_tcp(server, options);
}

static void close_server(struct rpc_server *server)
{
	verbs_ud_serve_close(server->ud);
	verbs_serve_close(server->verbs);
	tcp_serve_close(server->tcp);
	loop_close(server->loop);
}

static uint64_t answered(const struct rpc_server *server, uint64_t *ret_clients)
{
	struct serve_stats stats;

	if (server->ud)
		verbs_ud_serve_get_stats(server->ud, &stats);
	else if (server->verbs)
		verbs_serve_get_stats(server->verbs, &stats);
	else
		tcp_serve_get_stats(server->tcp, &stats);
	*ret_clients = stats.accepted;
	/* Each client said HELLO, once. */
	return stats.requests - stats.accepted;
}

/* ---- its time ---- */

static void stop(void *arg)
{
	struct rpc_server *server = arg;

	server->stop_watch = NULL;
	loop_stop(server->loop, 0);
}

static void time_over(struct loop_timer *timer)
{
	struct rpc_server *server =
		(struct rpc_server *)((char *)timer -
				      offsetof(struct rpc_server, end));

	loop_stop(server->loop, 0);
}

static int run(struct rpc_server *server, uint32_t running_s)
{
	int stop_fd CLEANUP_CLOSE = -1;
	sigset_t signals;
	int error;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	stop_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (stop_fd < 0)
		return -errno;
	error = loop_watch(server->loop, stop_fd, stop, server,
			   &server->stop_watch);
	if (error)
		return error;
	server->end.fired = time_over;
	server->end.deadline_ns = io_monotonic_ns() + running_s * NS_PER_S;
	loop_add_timer(server->loop, &server->end);
	error = loop_run(server->loop);
	loop_drop(server->loop, NULL, &server->end);
	loop_unwatch(server->loop, server->stop_watch);
	return error;
}

static void report(const struct rpc_server *server, bool as_json)
{
	uint64_t clients, requests = answered(server, &clients);

	if (as_json)
		(void)printf(
			"{\"benchmark\": \"rpc\", \"served\": %lu, "
			"\"clients\": %lu}\n",
			requests, clients);
	else
		(void)printf("served: %lu requests of %lu clients\n", requests,
			     clients);
}

int rpc_serve(const struct rpc_options *options)
{
	struct rpc_server server = {0};
	int error = open_server(&server, options);

	if (!error) {
		(void)printf("ready %s:%s\n", place_proto_name(options->proto),
			     server.where);
		(void)fflush(stdout);
		error = run(&server, options->running_s);
	}
	if (error)
		say_error("serving on %s:%u over %s: %s", options->address.host,
			  options->address.port,
			  place_proto_name(options->proto), strerror(-error));
	else
		report(&server, options->json);
	close_server(&server);
	return error;
}
