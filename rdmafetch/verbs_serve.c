/* SPDX-License-Identifier: MIT */
/* verbs_serve.c - see verbs_serve.h */
#include "rdmafetch/verbs_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "rdmafetch/verbs_accept.h"
#include "rdmafetch/verbs_client.h"

#define NS_PER_S 1000000000ull
/* Completions of a device in one turn; TCP has its turn after that. */
#define POLL_MAX  256
#define POLL_STEP 32
/* Polled for so long after the last message: less than what an event costs. */
#define SPIN_NS 30000u
/* An owner is a slot and, above that, how often one was taken. */
#define SLOT_BITS 16
#define SLOTS_MAX (1u << SLOT_BITS)

struct verbs_serve {
	struct server server;
	struct loop *loop;
	struct loop_work work;
	struct loop_timer timer;
	struct verbs_accept *accept;
	struct verbs_hub *hubs;
	struct verbs_client *ready;
	struct verbs_client **slots;
	unsigned nr_slots;
	uint64_t takes;
	uint64_t busy_ns; /* when something last came */
};

static struct verbs_serve *serve_of(const void *member, size_t offset)
{
	return (struct verbs_serve *)((char *)member - offset);
}

/* The hub of the device that a connection came by. */
static int find_hub(struct verbs_serve *serve, struct ibv_context *context,
		    struct verbs_hub **ret)
{
	struct verbs_hub *hub = serve->hubs;
	int error;

	while (hub && hub->device.context != context)
		hub = hub->next;
	if (!hub) {
		error = verbs_hub_open(serve->loop, context, serve->nr_slots,
				       &hub);
		if (error)
			return error;
		hub->next = serve->hubs;
		serve->hubs = hub;
	}
	hub->now_ns = io_monotonic_ns();
	*ret = hub;
	return 0;
}

static int free_slot(const struct verbs_serve *serve)
{
	if (serve->server.stats.strangers >=
	    serve->server.options.strangers_max)
		return -1;
	for (unsigned i = 0; i < serve->nr_slots; i++)
		if (!serve->slots[i])
			return (int)i;
	return -1;
}

static int add_client(struct verbs_serve *serve, struct verbs_hub *hub,
		      struct rdma_cm_id *id, struct verbs_client **ret)
{
	int slot = hub->nr_clients < hub->clients_max ? free_slot(serve) : -1;
	struct verbs_conn *conn;
	uint64_t take;
	int error;

	if (slot < 0)
		return -EUSERS;
	take = ++serve->takes;
	error = vconn_open(
		hub, id, (uint32_t)(take << SLOT_BITS) | (uint32_t)slot, &conn);
	if (error)
		return error;
	error = vclient_open(&serve->server, conn, &serve->ready, ret);
	if (error)
		return error;
	(*ret)->number = take * serve->nr_slots + (unsigned)slot;
	serve->slots[slot] = *ret;
	return 0;
}

static void remove_client(struct verbs_serve *serve,
			  struct verbs_client *client)
{
	struct rdma_cm_id *id = client->conn->id;

	serve->slots[client->number % serve->nr_slots] = NULL;
	vclient_close(client);
	(void)rdma_destroy_id(id);
}

/* The reads of a peer that we serve at a time, as far as the device can. */
static int accept_id(struct rdma_cm_id *id, const struct verbs_hub *hub,
		     const struct rdma_conn_param *asked)
{
	struct rdma_conn_param param = {
		.responder_resources = asked->responder_resources,
		.rnr_retry_count = 7, /* without end: stall_ms is the end */
	};

	if (param.responder_resources > hub->device.reads_in_max)
		param.responder_resources = hub->device.reads_in_max;
	return rdma_accept(id, &param) ? -errno : 0;
}

static int connection_wanted(void *arg, struct rdma_cm_id *id,
			     const struct rdma_conn_param *param)
{
	struct verbs_serve *serve = arg;
	struct verbs_client *client;
	struct verbs_hub *hub;
	int error;

	error = find_hub(serve, id->verbs, &hub);
	if (!error)
		error = add_client(serve, hub, id, &client);
	if (error) {
		serve->server.stats.turned_away++;
		return error;
	}
	id->context = client;
	error = accept_id(id, hub, param);
	if (error) {
		serve->slots[client->number % serve->nr_slots] = NULL;
		vclient_close(client);
		return error;
	}
	serve->server.stats.accepted++;
	if (!serve->timer.deadline_ns)
		serve->timer.deadline_ns = hub->now_ns + NS_PER_S;
	return 0;
}

static void connection_made(void *arg, void *client)
{
	vconn_connected(((struct verbs_client *)client)->conn);
}

static void connection_gone(void *arg, void *client)
{
	vclient_drop(client);
}

static const struct vaccept_ops accept_ops = {
	.wanted = connection_wanted,
	.connected = connection_made,
	.gone = connection_gone,
};

/* Once a second while there are clients: deadlines, probes, lost watches. */
static void timer_fired(struct loop_timer *timer)
{
	struct verbs_serve *serve =
		serve_of(timer, offsetof(struct verbs_serve, timer));
	uint64_t now_ns = io_monotonic_ns();
	unsigned nr = 0;

	for (struct verbs_hub *hub = serve->hubs; hub; hub = hub->next) {
		hub->now_ns = now_ns;
		verbs_hub_watch(hub);
	}
	vaccept_poll(serve->accept);
	for (unsigned i = 0; i < serve->nr_slots; i++) {
		if (!serve->slots[i])
			continue;
		nr++;
		vclient_expire(serve->slots[i]);
	}
	if (nr)
		timer->deadline_ns = now_ns + NS_PER_S;
}

/* Completions of a client that is gone find nobody. */
static struct verbs_client *owner_of(const struct verbs_serve *serve,
				     const struct ibv_wc *wc, uint32_t owner)
{
	unsigned slot = owner % SLOTS_MAX;
	struct verbs_client *client =
		slot < serve->nr_slots ? serve->slots[slot] : NULL;

	if (!client || client->conn->owner != owner ||
	    client->conn->qp_num != wc->qp_num)
		return NULL;
	return client;
}

static void completed(const struct verbs_serve *serve, const struct ibv_wc *wc)
{
	const struct vconn_tag tag = vconn_tag_of(wc->wr_id);
	struct verbs_client *client = owner_of(serve, wc, tag.owner);

	if (!client)
		return;
	if (wc->status == IBV_WC_LOC_LEN_ERR)
		vclient_drop_broken(client); /* longer than any request */
	else if (wc->status != IBV_WC_SUCCESS)
		vclient_drop(client); /* it, or its host, is gone */
	else if (tag.kind == VCONN_RECV)
		vclient_received(client, tag.at, wc->byte_len);
	else
		vclient_sent(client, tag.at);
}

static int poll_hub(const struct verbs_serve *serve, struct verbs_hub *hub)
{
	struct ibv_wc wcs[POLL_STEP];
	int nr, total = 0;

	do {
		nr = ibv_poll_cq(hub->cq, POLL_STEP, wcs);
		for (int i = 0; i < nr; i++)
			completed(serve, &wcs[i]);
		total += nr > 0 ? nr : 0;
	} while (nr == POLL_STEP && total < POLL_MAX);
	return total;
}

static int poll_hubs(struct verbs_serve *serve, uint64_t now_ns)
{
	int total = 0;

	for (struct verbs_hub *hub = serve->hubs; hub; hub = hub->next) {
		hub->now_ns = now_ns;
		total += poll_hub(serve, hub);
	}
	return total;
}

static void put_ready(struct verbs_serve *serve, struct verbs_client *client,
		      int more)
{
	if (client->dropped)
		remove_client(serve, client);
	else if (more && !client->in_ready) {
		client->in_ready = true;
		client->next_ready = serve->ready;
		serve->ready = client;
	}
}

/* As TCP's: what is waited for, of every client; then bulk of one. */
static void serve_ready(struct verbs_serve *serve)
{
	struct verbs_client *ready = serve->ready, *client, *next;
	int more;

	serve->ready = NULL;
	for (client = ready; client; client = client->next_ready)
		vclient_serve(client);
	for (client = ready; client; client = client->next_ready)
		if (vclient_serve_bulk(client))
			break;
	for (client = ready; client; client = next) {
		next = client->next_ready;
		more = vclient_flush(client);
		client->in_ready = false;
		put_ready(serve, client, more);
	}
}

/* 1 when a queue was armed only now: something may have come before that. */
static int arm_hubs(struct verbs_serve *serve)
{
	int armed = 0;

	for (struct verbs_hub *hub = serve->hubs; hub; hub = hub->next)
		armed |= verbs_hub_arm(hub);
	return armed;
}

static int serve_turn(struct loop_work *work)
{
	struct verbs_serve *serve =
		serve_of(work, offsetof(struct verbs_serve, work));
	uint64_t now_ns;
	int came;

	if (!serve->hubs)
		return 0;
	now_ns = io_monotonic_ns();
	came = poll_hubs(serve, now_ns);
	if (serve->ready)
		serve_ready(serve);
	if (came)
		serve->busy_ns = now_ns;
	if (serve->ready || now_ns - serve->busy_ns < SPIN_NS)
		return 1;
	return arm_hubs(serve);
}

static struct verbs_client *find(struct server *server,
				 const struct serve_ticket *ticket)
{
	struct verbs_serve *serve =
		serve_of(server, offsetof(struct verbs_serve, server));
	struct verbs_client *client =
		serve->slots[ticket->client % serve->nr_slots];

	if (!client || client->number != ticket->client || client->dropped)
		return NULL;
	return client;
}

static int verbs_answer(struct server *server,
			const struct serve_ticket *ticket, const void *body,
			size_t body_bytes, const struct serve_tail *tail)
{
	struct verbs_client *client = find(server, ticket);
	struct wire_header header;

	if (client) {
		header = serve_reply_to(
			ticket, body_bytes + (tail ? tail->len_bytes : 0), 0);
		vclient_answer(client, &header, body, tail);
	}
	if (tail)
		tail->done(tail->owner);
	return client ? 0 : -ENOTCONN;
}

static int verbs_refuse(struct server *server,
			const struct serve_ticket *ticket, int error,
			const char *why)
{
	struct verbs_client *client = find(server, ticket);
	size_t why_bytes = strnlen(why, WIRE_WHY_MAX);
	const struct wire_header header =
		serve_reply_to(ticket, why_bytes, error);

	if (!client)
		return -ENOTCONN;
	vclient_answer(client, &header, why, NULL);
	return 0;
}

static const struct serve_verbs *verbs_get(struct server *server,
					   const struct serve_ticket *ticket)
{
	struct verbs_client *client = find(server, ticket);

	if (!client)
		return NULL;
	return &verbs_domain_get(client->conn->domain)->verbs;
}

static const struct server_ops verbs_server_ops = {
	.answer = verbs_answer,
	.refuse = verbs_refuse,
	.verbs_get = verbs_get,
};

static int open_parts(struct verbs_serve *serve)
{
	const struct serve_options *options = &serve->server.options;

	serve->nr_slots = options->clients_max + options->strangers_max;
	if (serve->nr_slots > SLOTS_MAX)
		serve->nr_slots = SLOTS_MAX;
	serve->slots = calloc(serve->nr_slots, sizeof(*serve->slots));
	if (!serve->slots)
		return -ENOMEM;
	return vaccept_open(serve->loop, &accept_ops, serve, &serve->accept);
}

int verbs_serve_open(struct loop *loop, const struct serve_options *options,
		     const struct serve_ops *ops, void *arg,
		     struct verbs_serve **ret)
{
	struct verbs_serve *serve;
	int error;

	if (serve_options_check(options))
		return -EINVAL;
	serve = calloc(1, sizeof(*serve));
	if (!serve)
		return -ENOMEM;
	serve->server = (struct server){
		.ops = &verbs_server_ops,
		.options = *options,
		.handler = ops,
		.handler_arg = arg,
	};
	serve->loop = loop;
	error = open_parts(serve);
	if (error) {
		free(serve->slots);
		free(serve);
		return error;
	}
	serve->work.run = serve_turn;
	serve->timer.fired = timer_fired;
	loop_add_work(loop, &serve->work);
	loop_add_timer(loop, &serve->timer);
	*ret = serve;
	return 0;
}

int verbs_serve_listen(struct verbs_serve *serve, const struct sockaddr *addr,
		       uint16_t *ret_port)
{
	return vaccept_listen(serve->accept, addr, ret_port);
}

void verbs_serve_get_stats(const struct verbs_serve *serve,
			   struct serve_stats *ret_stats)
{
	*ret_stats = serve->server.stats;
}

static void close_hubs(struct verbs_serve *serve)
{
	struct verbs_hub *next;

	for (struct verbs_hub *hub = serve->hubs; hub; hub = next) {
		next = hub->next;
		verbs_hub_close(hub);
	}
}

void verbs_serve_close(struct verbs_serve *serve)
{
	if (!serve)
		return;
	for (unsigned i = 0; i < serve->nr_slots; i++)
		if (serve->slots[i])
			remove_client(serve, serve->slots[i]);
	vaccept_close(serve->accept);
	close_hubs(serve);
	loop_drop(serve->loop, &serve->work, &serve->timer);
	free(serve->slots);
	free(serve);
}
