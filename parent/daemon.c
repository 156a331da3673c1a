/* SPDX-License-Identifier: MIT */
/* daemon.c - see daemon.h */
#include "parent/daemon.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "config.h"
#include "parent/prepare.h"
#include "parent/session.h"

/* Requests of the kernel between two turns; more are submitted early. */
#define LOOP_ENTRIES 256

/* More images a second than anybody makes in earnest. */
#define DEEDS_PER_S_MAX 20u

const struct daemon_options daemon_defaults = {
	.registry =
		{
			.images_max = 64,
			.lease_s = 600,
			.lease_max_s = 24 * 3600,
			.prepare_max_s = 60,
		},
	.serve =
		{
			.clients_max = 256,
			.strangers_max = 64,
			.hello_ms = 5000,
			.stall_ms = 60000,
		},
	.snapshot =
		{
			.stop_timeout_ms = 200,
			.shared_max_bytes = 1ull << 30,
		},
};

void daemon_rearm(struct daemon *daemon)
{
	daemon->leases.deadline_ns =
		registry_expire(daemon->registry, io_monotonic_ns());
}

static void lease_over(struct loop_timer *timer)
{
	daemon_rearm((struct daemon *)((char *)timer -
				       offsetof(struct daemon, leases)));
}

static int open_parts(struct daemon *daemon)
{
	const struct daemon_options *options = &daemon->options;
	int error;

	error = registry_new(&options->registry, &daemon->registry);
	if (!error)
		error = loop_open(LOOP_ENTRIES, &daemon->loop);
	if (!error)
		error = tcp_serve_open(daemon->loop, &options->serve,
				       &session_ops, daemon, &daemon->serve);
	if (!error && options->identity.sec.kind == WIRE_SEC_PSK)
		tcp_serve_psk(daemon->serve, options->identity.sec.psk_file);
	return error;
}

int daemon_open(const struct daemon_options *options,
		struct daemon **ret_daemon)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int error;

	if (!daemon)
		return -ENOMEM;
	daemon->options = *options;
	daemon->started_ns = io_monotonic_ns();
	daemon->strangers.say = daemon->deeds.say = options->say;
	daemon->strangers.per_s_max = STRANGERS_PER_S_MAX;
	daemon->deeds.per_s_max = DEEDS_PER_S_MAX;
	exports_account_init(&daemon->exports, options->pin);
	daemon->leases.fired = lease_over;
	error = open_parts(daemon);
	if (error) {
		daemon_close(daemon);
		return error;
	}
	loop_add_timer(daemon->loop, &daemon->leases);
	spare_begin(&daemon->spare, daemon->loop);
	*ret_daemon = daemon;
	return 0;
}

int daemon_listen(struct daemon *daemon, int fd)
{
	return tcp_serve_listen(daemon->serve, fd);
}

/* The same port, of another space: for those who want no connection. */
static int listen_datagrams(struct daemon *daemon, const struct sockaddr *addr,
			    uint16_t port)
{
	struct sockaddr_storage same = {0};
	int error = 0;

	if (!daemon->datagrams)
		error = verbs_ud_serve_open(
			daemon->loop, &daemon->options.serve, &session_ops,
			daemon, &daemon->datagrams);
	if (error)
		return error;
	if (addr->sa_family == AF_INET) {
		memcpy(&same, addr, sizeof(struct sockaddr_in));
		((struct sockaddr_in *)&same)->sin_port = htobe16(port);
	} else {
		memcpy(&same, addr, sizeof(struct sockaddr_in6));
		((struct sockaddr_in6 *)&same)->sin6_port = htobe16(port);
	}
	return verbs_ud_serve_listen(daemon->datagrams,
				     (struct sockaddr *)&same, &port);
}

int daemon_listen_rdma(struct daemon *daemon, const struct sockaddr *addr,
		       uint16_t *ret_port)
{
	int error = 0;

	if (!daemon->verbs)
		error = verbs_serve_open(daemon->loop, &daemon->options.serve,
					 &session_ops, daemon, &daemon->verbs);
	if (!error)
		error = verbs_serve_listen(daemon->verbs, addr, ret_port);
	if (!error)
		error = listen_datagrams(daemon, addr, *ret_port);
	if (error)
		return error;
	if (!daemon->rdma_port)
		daemon->rdma_port = *ret_port;
	tcp_serve_tell_rdma(daemon->serve, daemon->rdma_port);
	return 0;
}

static void stop(void *arg)
{
	struct daemon *daemon = arg;

	daemon->stop_watch = NULL;
	loop_stop(daemon->loop, 0);
}

int daemon_run(struct daemon *daemon, int stop_fd)
{
	int error;

	error = loop_watch(daemon->loop, stop_fd, stop, daemon,
			   &daemon->stop_watch);
	return error ? error : loop_run(daemon->loop);
}

/*
 * Clients go first: no READ may meet a twin that is being ended.  TCP's take
 * turns of the loop, in which a keeper may still answer a verbs client.
 */
void daemon_close(struct daemon *daemon)
{
	if (!daemon)
		return;
	tcp_serve_close(daemon->serve);
	daemon->serve = NULL;
	verbs_serve_close(daemon->verbs);
	daemon->verbs = NULL;
	verbs_ud_serve_close(daemon->datagrams);
	daemon->datagrams = NULL;
	registry_free(daemon->registry);
	prepare_wait(daemon);
	spare_end(&daemon->spare);
	loop_close(daemon->loop);
	free(daemon);
}

/* Both ways in together; @more may be one that is not served. */
static struct serve_stats sum(const struct serve_stats *stats,
			      const struct serve_stats *more)
{
	struct serve_stats both = {
		.clients = stats->clients + more->clients,
		.strangers = stats->strangers + more->strangers,
		.accepted = stats->accepted + more->accepted,
		.turned_away = stats->turned_away + more->turned_away,
		.broken = stats->broken + more->broken,
		.requests = stats->requests + more->requests,
		.reads = stats->reads + more->reads,
		.urgent_reads = stats->urgent_reads + more->urgent_reads,
		.failed_reads = stats->failed_reads + more->failed_reads,
		.read_bytes = stats->read_bytes + more->read_bytes,
		.sends = stats->sends + more->sends,
		.refused = stats->refused,
	};

	refused_sum(&both.refused, &more->refused);
	return both;
}

static void report_rdma(const struct daemon *daemon,
			const struct serve_stats *rdma,
			struct report_status *status)
{
	status->rdma_port = daemon->rdma_port;
	status->rdma_clients = (uint32_t)rdma->clients;
	status->rdma_requests = rdma->requests;
	status->rdma_reads = rdma->reads;
	status->rdma_read_bytes = rdma->read_bytes;
	status->loans = daemon->exports.loans;
	status->lent_pages = daemon->exports.pages;
}

void daemon_report(const struct daemon *daemon,
		   struct report_status *ret_status)
{
	struct serve_stats tcp, rdma = {0}, datagrams, stats;

	tcp_serve_get_stats(daemon->serve, &tcp);
	if (daemon->verbs)
		verbs_serve_get_stats(daemon->verbs, &rdma);
	if (daemon->datagrams) {
		verbs_ud_serve_get_stats(daemon->datagrams, &datagrams);
		rdma = sum(&rdma, &datagrams);
	}
	stats = sum(&tcp, &rdma);
	*ret_status = (struct report_status){
		.pid = getpid(),
		.images = registry_count(daemon->registry),
		.images_max = daemon->options.registry.images_max,
		.clients = (uint32_t)stats.clients,
		.clients_max = daemon->options.serve.clients_max,
		.strangers = (uint32_t)stats.strangers,
		.uptime_ns = io_monotonic_ns() - daemon->started_ns,
		.prepared = daemon->prepared,
		.refused = daemon->refused,
		.ended = daemon->ended,
		.lease_over = registry_expired(daemon->registry),
		.released = daemon->released,
		.died = daemon->died,
		.refusals = stats.refused,
		.pauses = daemon->pauses,
		.prepares = daemon->prepares,
		.accepted = stats.accepted,
		.turned_away = stats.turned_away,
		.broken = stats.broken,
		.requests = stats.requests,
		.reads = stats.reads,
		.urgent_reads = stats.urgent_reads,
		.failed_reads = stats.failed_reads,
		.read_bytes = stats.read_bytes,
		.sends = stats.sends,
	};
	report_rdma(daemon, &rdma, ret_status);
	(void)snprintf(ret_status->version, sizeof(ret_status->version), "%s",
		       MITOSIS_VERSION);
}
