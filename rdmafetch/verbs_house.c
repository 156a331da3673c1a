/* SPDX-License-Identifier: MIT */
/* verbs_house.c - see verbs_house.h */
#include "rdmafetch/verbs_house.h"

#include <errno.h>
#include <stdlib.h>

#include "common/io.h"

#define SLOT_BITS 16
#define SLOTS_MAX (1u << SLOT_BITS)

int vhouse_init(struct verbs_house *house, struct server *server,
		struct loop *loop)
{
	const struct serve_options *options = &server->options;

	*house = (struct verbs_house){.server = server, .loop = loop};
	house->nr_slots = options->clients_max + options->strangers_max;
	if (house->nr_slots > SLOTS_MAX)
		house->nr_slots = SLOTS_MAX;
	house->slots = calloc(house->nr_slots, sizeof(*house->slots));
	return house->slots ? 0 : -ENOMEM;
}

/* The hub of the device that a connection came by. */
static int find_hub(struct verbs_house *house, struct ibv_context *context,
		    struct verbs_hub **ret)
{
	struct verbs_hub *hub = house->hubs;
	int error;

	while (hub && (hub->is_dead || hub->device.context != context))
		hub = hub->next;
	if (!hub) {
		error = verbs_hub_open(house->loop, context, house->nr_slots,
				       &hub);
		if (error)
			return error;
		hub->next = house->hubs;
		house->hubs = hub;
	}
	hub->now_ns = io_monotonic_ns();
	*ret = hub;
	return 0;
}

static int free_slot(const struct verbs_house *house)
{
	if (house->server->stats.strangers >=
	    house->server->options.strangers_max)
		return -1;
	for (unsigned i = 0; i < house->nr_slots; i++)
		if (!house->slots[i])
			return (int)i;
	return -1;
}

static int add_client(struct verbs_house *house, struct verbs_hub *hub,
		      struct rdma_cm_id *id, struct verbs_client **ret)
{
	int slot = hub->nr_clients < hub->clients_max ? free_slot(house) : -1;
	struct verbs_conn *conn;
	uint64_t take;
	int error;

	if (slot < 0)
		return -EUSERS;
	take = ++house->takes;
	error = vconn_open(
		hub, id, (uint32_t)(take << SLOT_BITS) | (uint32_t)slot, &conn);
	if (error)
		return error;
	error = vclient_open(house->server, conn, &house->ready, ret);
	if (error)
		return error;
	(*ret)->number = take * house->nr_slots + (unsigned)slot;
	house->slots[slot] = *ret;
	return 0;
}

void vhouse_put_out(struct verbs_house *house, struct verbs_client *client)
{
	struct rdma_cm_id *id = client->conn->id;

	house->slots[client->number % house->nr_slots] = NULL;
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

static int join(struct verbs_house *house, struct verbs_hub *hub,
		struct rdma_cm_id *id, const struct rdma_conn_param *param)
{
	struct verbs_client *client;
	int error = add_client(house, hub, id, &client);

	if (error)
		return error;
	id->context = client;
	error = accept_id(id, hub, param);
	if (error) {
		house->slots[client->number % house->nr_slots] = NULL;
		vclient_close(client);
	}
	return error;
}

int vhouse_let_in(struct verbs_house *house, struct rdma_cm_id *id,
		  const struct rdma_conn_param *param)
{
	struct verbs_hub *hub;
	int error = find_hub(house, id->verbs, &hub);

	return error ? error : join(house, hub, id, param);
}

struct verbs_client *vhouse_find(const struct verbs_house *house,
				 uint64_t number)
{
	struct verbs_client *client = house->slots[number % house->nr_slots];

	if (!client || client->number != number || client->dropped)
		return NULL;
	return client;
}

struct verbs_client *vhouse_owner(const struct verbs_house *house,
				  const struct ibv_wc *wc, uint32_t owner)
{
	unsigned slot = owner % SLOTS_MAX;
	struct verbs_client *client =
		slot < house->nr_slots ? house->slots[slot] : NULL;

	if (!client || client->conn->owner != owner ||
	    client->conn->qp_num != wc->qp_num)
		return NULL;
	return client;
}

void vhouse_empty(struct verbs_house *house)
{
	for (unsigned i = 0; i < house->nr_slots; i++)
		if (house->slots[i])
			vhouse_put_out(house, house->slots[i]);
}

static void drop_clients(const struct verbs_house *house,
			 const struct verbs_hub *hub)
{
	for (unsigned i = 0; i < house->nr_slots; i++)
		if (house->slots[i] && house->slots[i]->conn->hub == hub)
			vclient_drop(house->slots[i]);
}

static void end_hub(struct verbs_hub *hub)
{
	verbs_hub_unwatch(hub);
	verbs_hub_put(hub);
}

void vhouse_sweep(struct verbs_house *house)
{
	struct verbs_hub **at = &house->hubs, *hub;

	while ((hub = *at)) {
		if (hub->is_dead && !hub->nr_clients) {
			*at = hub->next;
			end_hub(hub);
			continue;
		}
		if (hub->is_dead)
			drop_clients(house, hub);
		at = &hub->next;
	}
}

void vhouse_done(struct verbs_house *house)
{
	struct verbs_hub *next;

	for (struct verbs_hub *hub = house->hubs; hub; hub = next) {
		next = hub->next;
		end_hub(hub);
	}
	free(house->slots);
}
