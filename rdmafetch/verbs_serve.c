/* SPDX-License-Identifier: MIT */
/* verbs_serve.c - see verbs_serve.h */
#include "rdmafetch/verbs_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "rdmafetch/verbs_accept.h"
#include "rdmafetch/verbs_house.h"

#define NS_PER_S 1000000000ull
/* Between two looks at clients of which none has a deadline; probes need no
 * more. */
#define QUIET_NS (5 * NS_PER_S)
/* Completions of a device in one turn; TCP has its turn after that. */
#define POLL_MAX  256
#define POLL_STEP 32
/* Polled for so long after the last message: less than what an event costs. */
#define SPIN_NS 30000u

struct verbs_serve {
	struct server server;
	struct verbs_house house;
	struct loop *loop;
	struct loop_work work;
	struct loop_timer timer;
	struct verbs_accept *accept;
	uint64_t busy_ns; /* when something last came */
};

static struct verbs_serve *serve_of(const void *member, size_t offset)
{
	return (struct verbs_serve *)((char *)member - offset);
}

/* Look after the clients then, if not before. */
static void look_in(struct verbs_serve *serve, uint64_t in_ns)
{
	uint64_t deadline_ns = io_monotonic_ns() + in_ns;

	if (!serve->timer.deadline_ns || serve->timer.deadline_ns > deadline_ns)
		serve->timer.deadline_ns = deadline_ns;
}

static int connection_wanted(void *arg, struct rdma_cm_id *id,
			     const struct rdma_conn_param *param)
{
	struct verbs_serve *serve = arg;
	int error = vhouse_let_in(&serve->house, id, param);

	if (error) {
		serve->server.stats.turned_away++;
		return error;
	}
	serve->server.stats.accepted++;
	look_in(serve, NS_PER_S);
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

static void listener_lost(void *arg)
{
	look_in(arg, NS_PER_S);
}

static const struct vaccept_ops accept_ops = {
	.wanted = connection_wanted,
	.connected = connection_made,
	.gone = connection_gone,
	.lost = listener_lost,
};

/* Deadlines, probes, lost watches: while there are clients, and seldom when all
 * is well. */
static void timer_fired(struct loop_timer *timer)
{
	struct verbs_serve *serve =
		serve_of(timer, offsetof(struct verbs_serve, timer));
	uint64_t now_ns = io_monotonic_ns();
	unsigned nr = 0, nr_awaited = 0;

	for (struct verbs_hub *hub = serve->house.hubs; hub; hub = hub->next) {
		hub->now_ns = now_ns;
		verbs_hub_watch(hub);
	}
	vaccept_poll(serve->accept);
	for (unsigned i = 0; i < serve->house.nr_slots; i++) {
		if (!serve->house.slots[i])
			continue;
		nr++;
		nr_awaited += serve->house.slots[i]->deadline_ns != 0;
		vclient_expire(serve->house.slots[i]);
	}
	if (nr)
		look_in(serve, nr_awaited ? NS_PER_S : QUIET_NS);
}

static void completed(const struct verbs_serve *serve, const struct ibv_wc *wc)
{
	const struct vconn_tag tag = vconn_tag_of(wc->wr_id);
	struct verbs_client *client =
		vhouse_owner(&serve->house, wc, tag.owner);

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

	for (struct verbs_hub *hub = serve->house.hubs; hub; hub = hub->next) {
		hub->now_ns = now_ns;
		total += poll_hub(serve, hub);
	}
	return total;
}

static void put_ready(struct verbs_serve *serve, struct verbs_client *client,
		      int more)
{
	if (client->dropped)
		vhouse_put_out(&serve->house, client);
	else if (more && !client->in_ready) {
		client->in_ready = true;
		client->next_ready = serve->house.ready;
		serve->house.ready = client;
	}
}

/* As TCP's: what is waited for, of every client; then bulk of one. */
static void serve_ready(struct verbs_serve *serve)
{
	struct verbs_client *ready = serve->house.ready, *client, *next;
	int more;

	serve->house.ready = NULL;
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

/* Before sleeping.  1 when something came before a queue was armed. */
static int arm_hubs(struct verbs_serve *serve, uint64_t now_ns)
{
	int armed = 0;

	for (struct verbs_hub *hub = serve->house.hubs; hub; hub = hub->next)
		armed |= verbs_hub_arm(hub);
	if (!armed || !poll_hubs(serve, now_ns))
		return 0;
	serve->busy_ns = now_ns;
	return 1;
}

static int serve_turn(struct loop_work *work)
{
	struct verbs_serve *serve =
		serve_of(work, offsetof(struct verbs_serve, work));
	uint64_t now_ns;
	int came;

	if (!serve->house.hubs)
		return 0;
	now_ns = io_monotonic_ns();
	came = poll_hubs(serve, now_ns);
	if (serve->house.ready)
		serve_ready(serve);
	vhouse_sweep(&serve->house);
	if (came)
		serve->busy_ns = now_ns;
	if (serve->house.ready || now_ns - serve->busy_ns < SPIN_NS)
		return 1;
	return arm_hubs(serve, now_ns);
}

static struct verbs_client *find(struct server *server,
				 const struct serve_ticket *ticket)
{
	const struct verbs_serve *serve =
		serve_of(server, offsetof(struct verbs_serve, server));

	return vhouse_find(&serve->house, ticket->client);
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
	error = vhouse_init(&serve->house, &serve->server, loop);
	if (!error)
		error = vaccept_open(loop, RDMA_PS_TCP, &accept_ops, serve,
				     &serve->accept);
	if (error) {
		vhouse_done(&serve->house);
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

void verbs_serve_close(struct verbs_serve *serve)
{
	if (!serve)
		return;
	vhouse_empty(&serve->house);
	vaccept_close(serve->accept);
	loop_drop(serve->loop, &serve->work, &serve->timer);
	vhouse_done(&serve->house);
	free(serve);
}
