/* SPDX-License-Identifier: MIT */
/* dgram_guests.c - see dgram_guests.h */
#include "rdmafetch/dgram_guests.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "rdmafetch/dgram_cookie.h"
#include "rdmafetch/dgram_kept.h"
#include "rdmafetch/verbs_pack.h"

#define SLOT_BITS 16
#define SLOTS_MAX (1u << SLOT_BITS)

struct guest {
	uint64_t token;	 /* 0: the place is free; its low bits are the slot */
	uint64_t number; /* of its tickets */
	struct dgram_out *out;
	struct dgram_peer peer;
	void *session;
	uint32_t hello_id;
	uint64_t heard_ns;
	struct dgram_kept kept;
};

struct dgram_guests {
	struct server *server;
	struct guest *slots;
	unsigned nr_slots;
	uint64_t takes;
	struct siphash_key secret; /* of the cookies */
};

/* ---- out ---- */

static void send_empty(const struct dgram_came *came,
		       const struct dgram_head *head)
{
	uint8_t *to = came->out->begin(came->out, &came->peer);

	if (!to)
		return;
	dgram_put(to, head);
	came->out->send(came->out, DGRAM_HEAD_BYTES);
}

/* Send one message that fits into a datagram. */
static void send_message(const struct dgram_came *came, uint64_t token,
			 const struct wire_header *header, const void *body)
{
	const struct dgram_head head = {.kind = DGRAM_PACK, .token = token};
	uint8_t *to = came->out->begin(came->out, &came->peer);

	if (!to)
		return;
	dgram_put(to, &head);
	wire_put_header(to + DGRAM_HEAD_BYTES, header);
	memcpy(to + DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES, body,
	       header->body_bytes);
	came->out->send(came->out, DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES +
					   header->body_bytes);
}

static void send_kept(struct guest *guest)
{
	dgram_kept_send(&guest->kept, guest->out, &guest->peer, guest->token);
}

/* ---- who is here ---- */

static bool same_peer(const struct dgram_peer *a, const struct dgram_peer *b)
{
	return a->qpn == b->qpn && !memcmp(a->gid, b->gid, sizeof(a->gid)) &&
	       !memcmp(a->here, b->here, sizeof(a->here));
}

static uint64_t random_token(void)
{
	uint64_t token = 0;

	/* It never fails for so few bytes once the kernel has begun. */
	while (!token)
		if (getrandom(&token, sizeof(token), 0) != sizeof(token))
			token = 0;
	return token;
}

static struct guest *find_token(const struct dgram_guests *guests,
				const struct dgram_came *came, uint64_t token)
{
	unsigned slot = token % SLOTS_MAX;
	struct guest *guest = &guests->slots[slot];

	if (slot >= guests->nr_slots || !token || guest->token != token ||
	    guest->out != came->out || !same_peer(&guest->peer, &came->peer))
		return NULL;
	return guest;
}

static struct guest *find_peer(const struct dgram_guests *guests,
			       const struct dgram_came *came)
{
	for (unsigned i = 0; i < guests->nr_slots; i++) {
		struct guest *guest = &guests->slots[i];

		if (guest->token && guest->out == came->out &&
		    same_peer(&guest->peer, &came->peer))
			return guest;
	}
	return NULL;
}

static void part(struct dgram_guests *guests, struct guest *guest)
{
	dgram_kept_done(&guest->kept);
	serve_goodbye(guests->server, true, guest->session);
	memset(guest, 0, sizeof(*guest));
}

/* ---- HELLO ---- */

static void give_cookie(const struct dgram_guests *guests,
			const struct dgram_came *came)
{
	const struct dgram_head head = {
		.kind = DGRAM_COOKIE,
		.token = dgram_cookie_make(&guests->secret, &came->peer,
					   came->now_ns),
		.at = came->peer.max_bytes,
	};

	send_empty(came, &head);
}

static void welcome(const struct dgram_guests *guests,
		    const struct dgram_came *came, const struct guest *guest)
{
	uint8_t body[WIRE_REQUEST_MAX];
	const struct wire_header header = {
		.type = WIRE_HELLO,
		.flags = WIRE_REPLY,
		.id = guest->hello_id,
		.body_bytes = (uint32_t)serve_welcome(guests->server, body),
	};

	send_message(came, guest->token, &header, body);
}

static void turn_away(const struct dgram_came *came, uint32_t id, int error,
		      const char *why)
{
	const struct wire_header header = {
		.type = WIRE_HELLO,
		.flags = WIRE_REPLY,
		.id = id,
		.status = error,
		.body_bytes = (uint32_t)strnlen(why, DGRAM_MIN_BYTES -
							     DGRAM_HEAD_BYTES -
							     WIRE_HEADER_BYTES),
	};

	send_message(came, 0, &header, why);
}

static struct guest *free_slot(const struct dgram_guests *guests)
{
	for (unsigned i = 0; i < guests->nr_slots; i++)
		if (!guests->slots[i].token)
			return &guests->slots[i];
	return NULL;
}

static void settle(struct dgram_guests *guests, const struct dgram_came *came,
		   struct guest *guest)
{
	uint64_t slot = (uint64_t)(guest - guests->slots);

	guest->token = (random_token() & ~(uint64_t)(SLOTS_MAX - 1)) | slot;
	guest->number = ++guests->takes * guests->nr_slots + slot;
	guest->out = came->out;
	guest->peer = came->peer;
	guest->heard_ns = came->now_ns;
}

/* Who it is has been asked: the handler says whether it comes in. */
static void let_in(struct dgram_guests *guests, const struct dgram_came *came,
		   const struct wire_header *header, const uint8_t *body)
{
	const struct serve_greeting greeting = {
		.body = body,
		.body_bytes = header->body_bytes,
		.fd = -1,
		.is_verbs = true,
		.here = came->here,
		.there = came->there,
	};
	struct guest *guest = free_slot(guests);
	char why[WIRE_WHY_MAX + 1] = "";
	int error;

	guests->server->stats.strangers++;
	error = guest ? serve_hello(guests->server, &greeting, &guest->session,
				    why)
		      : -EUSERS;
	if (error) {
		serve_goodbye(guests->server, false, NULL);
		turn_away(came, header->id, error, why);
		return;
	}
	guest->hello_id = header->id;
	settle(guests, came, guest);
	guests->server->stats.accepted++;
	guests->server->stats.requests++;
	welcome(guests, came, guest);
}

static void take_hello(struct dgram_guests *guests,
		       const struct dgram_came *came, uint64_t cookie,
		       struct vpack pack)
{
	struct guest *guest;
	struct wire_header header;
	const uint8_t *body;

	if (vpack_next(&pack, &header, &body) || header.type != WIRE_HELLO ||
	    header.flags || pack.left_bytes)
		return;
	guest = find_peer(guests, came);
	if (guest && guest->hello_id == header.id) {
		welcome(guests, came, guest); /* ours was lost */
		return;
	}
	if (!dgram_cookie_is_good(&guests->secret, &came->peer, came->now_ns,
				  cookie)) {
		give_cookie(guests, came);
		return;
	}
	if (guest) /* the queue pair's number is another's now */
		part(guests, guest);
	let_in(guests, came, &header, body);
}

/* ---- calls ---- */

/* Answers that leave together. */
struct bundle {
	const struct guest *guest;
	uint8_t *to; /* NULL: none is begun */
	size_t len_bytes;
};

static void bundle_send(struct bundle *bundle)
{
	if (bundle->to)
		bundle->guest->out->send(bundle->guest->out, bundle->len_bytes);
	bundle->to = NULL;
}

static void bundle_nil(struct bundle *bundle, uint32_t id)
{
	const struct guest *guest = bundle->guest;
	const struct dgram_head head = {.kind = DGRAM_PACK,
					.token = guest->token};
	const struct wire_header header = {
		.type = WIRE_NIL, .flags = WIRE_REPLY, .id = id};

	if (bundle->to &&
	    bundle->len_bytes + WIRE_HEADER_BYTES > guest->peer.max_bytes)
		bundle_send(bundle);
	if (!bundle->to) {
		bundle->to = guest->out->begin(guest->out, &guest->peer);
		bundle->len_bytes = DGRAM_HEAD_BYTES;
		if (!bundle->to)
			return;
		dgram_put(bundle->to, &head);
	}
	wire_put_header(bundle->to + bundle->len_bytes, &header);
	bundle->len_bytes += WIRE_HEADER_BYTES;
}

static void ask_handler(struct dgram_guests *guests, struct guest *guest,
			const struct wire_header *header, const uint8_t *body)
{
	const struct serve_ticket ticket = {
		.server = guests->server,
		.client = guest->number,
		.id = header->id,
		.type = header->type,
	};

	guests->server->stats.requests++;
	if (header->type == WIRE_READ || header->type == WIRE_EXPORT ||
	    header->type == WIRE_TAKEN)
		(void)serve_refuse(&ticket, -EOPNOTSUPP,
				   "pages go over a connection only: "
				   "proto=rdma or proto=tcp");
	else
		guests->server->handler->request(guest->session, &ticket, body,
						 header->body_bytes);
}

static void take_call(struct dgram_guests *guests, struct guest *guest,
		      const struct wire_header *header, const uint8_t *body)
{
	switch (dgram_kept_look(&guest->kept, header->id)) {
	case DGRAM_AGAIN:
		send_kept(guest);
		break;
	case DGRAM_NEW:
		dgram_kept_begin(&guest->kept, header->id);
		ask_handler(guests, guest, header, body);
		break;
	case DGRAM_WAITS:
	case DGRAM_OLD:
		break;
	}
}

static void take_pack(struct dgram_guests *guests, struct guest *guest,
		      struct vpack pack)
{
	struct bundle bundle = {.guest = guest};
	struct wire_header header;
	const uint8_t *body;

	while (pack.left_bytes && !vpack_next(&pack, &header, &body)) {
		if (header.flags & ~WIRE_URGENT || header.type == WIRE_HELLO)
			break;
		if (header.type == WIRE_NIL) {
			guests->server->stats.requests++;
			bundle_nil(&bundle, header.id);
			continue;
		}
		bundle_send(&bundle); /* one is begun at a time */
		take_call(guests, guest, &header, body);
	}
	bundle_send(&bundle);
}

static void take_from(struct dgram_guests *guests, struct guest *guest,
		      const struct dgram_came *came,
		      const struct dgram_head *head, struct vpack pack)
{
	guest->heard_ns = came->now_ns;
	if (head->kind == DGRAM_PACK)
		take_pack(guests, guest, pack);
	else if (head->kind == DGRAM_PULL)
		dgram_kept_pieces(&guest->kept, guest->out, &guest->peer, head);
	else if (head->kind == DGRAM_BYE)
		part(guests, guest);
}

void dgram_guests_take(struct dgram_guests *guests,
		       const struct dgram_came *came)
{
	struct dgram_head head;
	struct guest *guest;
	struct vpack pack;
	size_t len;

	if (dgram_get(came->bytes, came->len_bytes, &head, &pack.at, &len))
		return;
	pack.left_bytes = (uint32_t)len;
	if (head.kind == DGRAM_HELLO) {
		struct dgram_came hello = *came;

		hello.peer.max_bytes = head.at < came->out->max_bytes
					       ? head.at
					       : came->out->max_bytes;
		take_hello(guests, &hello, head.token, pack);
		return;
	}
	guest = find_token(guests, came, head.token);
	if (guest)
		take_from(guests, guest, came, &head, pack);
	else if (head.kind == DGRAM_PACK || head.kind == DGRAM_PULL)
		send_empty(came, &(struct dgram_head){.kind = DGRAM_LOST,
						      .token = head.token});
}

int dgram_guests_answer(struct dgram_guests *guests,
			const struct serve_ticket *ticket,
			const struct dgram_answer *answer)
{
	struct guest *guest = &guests->slots[ticket->client % guests->nr_slots];
	const struct serve_tail *tail = answer->tail;
	struct wire_header header = serve_reply_to(
		ticket, answer->body_bytes + (tail ? tail->len_bytes : 0),
		answer->status);
	int error = -ENOTCONN;

	if (guest->token && guest->number == ticket->client)
		error = dgram_kept_put(&guest->kept, &header, answer->body,
				       tail);
	else if (tail)
		tail->done(tail->owner);
	if (!error)
		send_kept(guest);
	return error;
}

/* ---- life ---- */

void dgram_guests_expire(struct dgram_guests *guests, uint64_t now_ns)
{
	for (unsigned i = 0; i < guests->nr_slots; i++)
		if (guests->slots[i].token &&
		    now_ns - guests->slots[i].heard_ns > DGRAM_SILENT_NS)
			part(guests, &guests->slots[i]);
}

void dgram_guests_drop(struct dgram_guests *guests, const struct dgram_out *out)
{
	for (unsigned i = 0; i < guests->nr_slots; i++)
		if (guests->slots[i].token &&
		    (!out || guests->slots[i].out == out))
			part(guests, &guests->slots[i]);
}

int dgram_guests_open(struct server *server, struct dgram_guests **ret)
{
	struct dgram_guests *guests = calloc(1, sizeof(*guests));

	if (!guests)
		return -ENOMEM;
	guests->server = server;
	dgram_cookie_init(&guests->secret);
	guests->nr_slots = server->options.clients_max;
	if (guests->nr_slots > SLOTS_MAX)
		guests->nr_slots = SLOTS_MAX;
	guests->slots = calloc(guests->nr_slots, sizeof(*guests->slots));
	if (!guests->slots) {
		free(guests);
		return -ENOMEM;
	}
	*ret = guests;
	return 0;
}

void dgram_guests_close(struct dgram_guests *guests)
{
	if (!guests)
		return;
	dgram_guests_drop(guests, NULL);
	free(guests->slots);
	free(guests);
}
