/* SPDX-License-Identifier: MIT */
/* verbs_client.c - see verbs_client.h */
#include "rdmafetch/verbs_client.h"

#include <errno.h>
#include <stdlib.h>

#include "rdmafetch/verbs_pack.h"
#include "rdmafetch/verbs_pages.h"
#include "rdmafetch/verbs_reply.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull
/* Of bulk READs, between two looks at what somebody waits for. */
#define BULK_BYTES (256u << 10)
/* A client that is silent for so long is asked whether it is there. */
#define PROBE_NS (5 * NS_PER_S)

static uint64_t now_ns(const struct verbs_client *client)
{
	return client->conn->hub->now_ns;
}

static uint64_t deadline_in(const struct verbs_client *client, int ms)
{
	return now_ns(client) + (uint64_t)ms * NS_PER_MS;
}

static void make_ready(struct verbs_client *client)
{
	if (client->in_ready)
		return;
	client->in_ready = true;
	client->next_ready = *client->ready_list;
	*client->ready_list = client;
}

int vclient_open(struct server *server, struct verbs_conn *conn,
		 struct verbs_client **ready_list, struct verbs_client **ret)
{
	struct verbs_client *client = calloc(1, sizeof(*client));

	if (!client) {
		vconn_close(conn);
		return -ENOMEM;
	}
	client->server = server;
	client->conn = conn;
	client->ready_list = ready_list;
	client->loans.pd = conn->domain->pd;
	client->heard_ns = now_ns(client);
	client->deadline_ns = deadline_in(client, server->options.hello_ms);
	server->stats.strangers++;
	conn->hub->nr_clients++;
	*ret = client;
	return 0;
}

void vclient_drop(struct verbs_client *client)
{
	client->dropped = true;
	make_ready(client);
}

void vclient_drop_broken(struct verbs_client *client)
{
	if (client->dropped)
		return;
	client->server->stats.broken++;
	vclient_drop(client);
}

/* Room for one more reply, beside those that the handler still owes. */
static bool has_room(struct verbs_client *client)
{
	return vconn_room(client->conn) > client->nr_asked;
}

void vclient_answer(struct verbs_client *client,
		    const struct wire_header *header, const void *body,
		    const struct serve_tail *tail)
{
	client->nr_asked--;
	vreply_answer(client->conn, &client->loans, header, body, tail);
	make_ready(client);
}

/* The last words; then it is the client who hangs up, or time does: an end of
 * ours could overtake what tells the client that its HELLO has arrived. */
static void turn_away(struct verbs_client *client,
		      const struct wire_header *reply, const char *why)
{
	client->ending = true;
	client->deadline_ns =
		deadline_in(client, client->server->options.hello_ms);
	vreply_words(client->conn, reply, why);
}

static void welcome(struct verbs_client *client, struct wire_header *reply)
{
	client->joined = true;
	client->deadline_ns = 0;
	reply->body_bytes = (uint32_t)serve_welcome(
		client->server, vreply_body(client->conn, WIRE_REQUEST_MAX));
	vreply_send(client->conn, reply);
}

static void take_hello(struct verbs_client *client,
		       const struct wire_header *header, const uint8_t *body)
{
	const struct rdma_addr *ends = &client->conn->id->route.addr;
	const struct serve_greeting greeting = {
		.body = body,
		.body_bytes = header->body_bytes,
		.fd = -1,
		.is_verbs = true,
		.here = &ends->src_storage,
		.there = &ends->dst_storage,
	};
	struct wire_header reply = vreply_to(header);
	char why[WIRE_WHY_MAX + 1] = "";

	reply.status =
		serve_hello(client->server, &greeting, &client->session, why);
	if (reply.status == -EPROTO)
		vclient_drop_broken(client);
	else if (reply.status)
		turn_away(client, &reply, why);
	else
		welcome(client, &reply);
}

static void take_ask(struct verbs_client *client,
		     const struct wire_header *header, const uint8_t *body)
{
	const struct serve_ticket ticket = {
		.server = client->server,
		.client = client->number,
		.id = header->id,
		.type = header->type,
	};
	struct wire_header reply;

	if (client->joined == (header->type == WIRE_HELLO)) {
		vclient_drop_broken(client);
	} else if (header->type == WIRE_HELLO) {
		take_hello(client, header, body);
	} else if (header->type == WIRE_NIL) {
		reply = vreply_to(header);
		vreply_send(client->conn, &reply);
	} else {
		client->nr_asked++;
		client->server->handler->request(client->session, &ticket, body,
						 header->body_bytes);
	}
}

static bool can_ask(struct verbs_client *client)
{
	return client->nr_asked < VERBS_ASKS_MAX && has_room(client) &&
	       !client->ending && !client->dropped;
}

/* One request less waits in receive buffer @at. */
static void leave_buffer(struct verbs_client *client, unsigned at)
{
	if (!--client->waiting[at])
		vconn_repost(client->conn, at);
}

/* The first of @line is answered. */
static void answered(struct verbs_client *client, struct verbs_line *line)
{
	unsigned at = vline_first(line).buffer;

	vline_drop_first(line);
	leave_buffer(client, at);
}

static void serve_asks(struct verbs_client *client)
{
	struct verbs_line *line = &client->asks;

	while (line->nr && can_ask(client)) {
		struct verbs_place place = vline_first(line);
		struct wire_header header = vclient_header(client, place);

		take_ask(client, &header, vclient_body(client, place));
		answered(client, line);
	}
}

/* Answer READs of @line until @max_bytes are read.  Returns how many. */
static unsigned serve_reads(struct verbs_client *client,
			    struct verbs_line *line, uint32_t max_bytes)
{
	uint32_t bytes, total = 0;
	unsigned nr = 0;

	for (; line->nr && total < max_bytes && has_room(client); nr++) {
		if (vpages_answer(client, vline_first(line), &bytes)) {
			client->is_starved = true;
			break;
		}
		total += bytes;
		answered(client, line);
	}
	return nr;
}

void vclient_serve(struct verbs_client *client)
{
	if (client->dropped)
		return;
	client->is_starved = false;
	serve_asks(client);
	if (!client->dropped)
		client->server->stats.urgent_reads +=
			serve_reads(client, &client->urgent, UINT32_MAX);
}

int vclient_serve_bulk(struct verbs_client *client)
{
	if (client->dropped)
		return 0;
	return serve_reads(client, &client->bulk, BULK_BYTES) > 0;
}

static const uint8_t *message(const struct verbs_client *client,
			      struct verbs_place place)
{
	return vconn_request(client->conn, place.buffer) + place.offset;
}

struct wire_header vclient_header(const struct verbs_client *client,
				  struct verbs_place place)
{
	struct wire_header header = {0};

	(void)wire_get_header(message(client, place), WIRE_REQUEST_MAX,
			      &header);
	return header;
}

const uint8_t *vclient_body(const struct verbs_client *client,
			    struct verbs_place place)
{
	return message(client, place) + WIRE_HEADER_BYTES;
}

/* The request waits where it lies.  More than any client may have under way:
 * that breaks the protocol. */
static int queue(struct verbs_client *client, struct verbs_line *line,
		 struct verbs_place place)
{
	if (vline_add(line, place))
		return -EPROTO;
	client->waiting[place.buffer]++;
	return 0;
}

/* A READ waits, a TAKEN is done at once. */
static int take_read(struct verbs_client *client,
		     const struct wire_header *header, struct verbs_place place)
{
	struct wire_read read;

	if (!client->joined || wire_get_read(vclient_body(client, place),
					     header->body_bytes, &read))
		return -EPROTO;
	return queue(client,
		     header->flags & WIRE_URGENT ? &client->urgent
						 : &client->bulk,
		     place);
}

static int take_taken(struct verbs_client *client,
		      const struct wire_header *header, const uint8_t *body)
{
	uint32_t id;

	if (!client->joined || wire_get_taken(body, header->body_bytes, &id) ||
	    verbs_loans_taken(&client->loans, id))
		return -EPROTO;
	return 0;
}

static int take_request(struct verbs_client *client, struct vpack *pack,
			struct verbs_place place)
{
	struct wire_header header;
	const uint8_t *body;
	int error = vpack_next(pack, &header, &body);

	if (error || header.flags & (WIRE_REPLY | WIRE_FAR))
		return -EPROTO;
	client->server->stats.requests++;
	if (header.type == WIRE_READ)
		return take_read(client, &header, place);
	if (header.type == WIRE_TAKEN)
		return take_taken(client, &header, body);
	error = queue(client, &client->asks, place);
	if (!error)
		serve_asks(client);
	return error;
}

/* Who may not stay is not listened to. */
static int take_requests(struct verbs_client *client, unsigned at,
			 uint32_t len_bytes)
{
	struct vpack pack = {vconn_request(client->conn, at), len_bytes};
	struct verbs_place place = {.buffer = (uint16_t)at};
	int error = 0;

	client->waiting[at] = 1; /* this look at it */
	do {
		place.offset = (uint16_t)(len_bytes - pack.left_bytes);
		error = take_request(client, &pack, place);
	} while (!error && pack.left_bytes && !client->ending &&
		 !client->dropped);
	leave_buffer(client, at);
	return error;
}

void vclient_received(struct verbs_client *client, unsigned at,
		      uint32_t len_bytes)
{
	if (client->dropped)
		return;
	client->heard_ns = now_ns(client);
	make_ready(client);
	if (!client->ending && take_requests(client, at, len_bytes))
		vclient_drop_broken(client);
}

void vclient_sent(struct verbs_client *client, uint16_t at)
{
	if (client->dropped)
		return;
	client->heard_ns = now_ns(client);
	vconn_sent(client->conn, at);
	make_ready(client);
}

int vclient_flush(struct verbs_client *client)
{
	if (client->dropped)
		return 0;
	client->server->stats.sends += (unsigned)vconn_flush(client->conn);
	if (client->conn->is_broken)
		vclient_drop(client);
	/* Room that the flush made is no event. */
	if (client->asks.nr && can_ask(client))
		return 1;
	return (client->urgent.nr || client->bulk.nr) && !client->is_starved &&
	       has_room(client);
}

/* A peer that takes no reply, or leaves what was lent to it, has stalled. */
static bool has_stalled(const struct verbs_client *client)
{
	uint64_t stall_ns =
		(uint64_t)client->server->options.stall_ms * NS_PER_MS;
	uint64_t oldest_ns = verbs_loans_oldest_ns(&client->loans);
	const struct verbs_conn *conn = client->conn;

	if (conn->nr_asked && now_ns(client) - conn->asked_ns > stall_ns)
		return true;
	return oldest_ns && oldest_ns + stall_ns < now_ns(client);
}

void vclient_expire(struct verbs_client *client)
{
	uint64_t now = now_ns(client);

	if (client->deadline_ns && client->deadline_ns <= now)
		vclient_drop_broken(client);
	else if (has_stalled(client))
		vclient_drop_broken(client);
	else if (client->joined && now - client->heard_ns > PROBE_NS &&
		 !client->conn->nr_asked)
		(void)vconn_probe(client->conn);
}

void vclient_close(struct verbs_client *client)
{
	client->conn->hub->nr_clients--;
	serve_goodbye(client->server, client->joined, client->session);
	verbs_loans_done(&client->loans);
	vconn_close(client->conn);
	free(client);
}
