/* SPDX-License-Identifier: MIT */
/*
 * fuzz_dgram.c - datagrams of any kind, to the server and to a client
 *
 * The input is cut into datagrams, each behind two bytes of its length. The
 * server has a guest whose token the datagrams may have (a token of zeros
 * stands for it); whatever comes, it answers in datagrams that are right, and
 * makes no more calls than it heard. A client over a short link waits for a
 * long answer; another, over the longest, says HELLO first. Each gets the
 * answer that comes, or a refusal in no more words than there may be, or none;
 * an id of zeros is its question's.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/dgram_call.h"
#include "rdmafetch/dgram_guests.h"

#define LINK_BYTES DGRAM_MIN_BYTES
#define TAIL_BYTES 5000u
/* In a datagram; and of the first message in it. */
#define KIND_AT	      5u
#define TOKEN_AT      8u
#define ID_AT	      16u
#define MESSAGE_ID_AT (DGRAM_HEAD_BYTES + 8u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(int truth)
{
	if (!truth)
		abort();
}

/* ---- the server ---- */

static struct server server;
static struct dgram_guests *guests;
static uint64_t token;
static uint8_t out_bytes[LINK_BYTES];
static const uint8_t tail_bytes[TAIL_BYTES];
static unsigned nr_tails;

static uint8_t *begin(struct dgram_out *out, const struct dgram_peer *peer)
{
	return out_bytes;
}

static void send_out(struct dgram_out *out, size_t len)
{
	struct dgram_head head;
	const uint8_t *body;
	size_t body_bytes;

	demand(len <= LINK_BYTES);
	demand(!dgram_get(out_bytes, len, &head, &body, &body_bytes));
	token = head.token;
}

static int join(void *arg, const struct serve_origin *origin,
		void **ret_session, char *why)
{
	*ret_session = arg;
	return 0;
}

static void leave(void *session)
{
}

static void tail_done(void *owner)
{
	nr_tails--;
}

static void request(void *session, const struct serve_ticket *ticket,
		    const uint8_t *body, size_t body_bytes)
{
	const struct serve_tail tail = {tail_bytes, TAIL_BYTES, tail_done,
					NULL};

	nr_tails++;
	(void)serve_answer_tail(ticket, body, body_bytes, &tail);
}

static int answer(struct server *of, const struct serve_ticket *ticket,
		  const void *body, size_t body_bytes,
		  const struct serve_tail *tail)
{
	return dgram_guests_answer(
		guests, ticket,
		&(struct dgram_answer){0, body, body_bytes, tail});
}

static int refuse(struct server *of, const struct serve_ticket *ticket,
		  int error, const char *why)
{
	return dgram_guests_answer(
		guests, ticket,
		&(struct dgram_answer){error, why, strlen(why), NULL});
}

static const struct serve_ops handler = {
	.join = join, .leave = leave, .request = request};
static const struct server_ops ops = {.answer = answer, .refuse = refuse};
static struct dgram_out out = {LINK_BYTES, begin, send_out};

static void give(const uint8_t *bytes, size_t len)
{
	static const struct sockaddr_storage address;
	const struct dgram_came came = {
		.out = &out,
		.here = &address,
		.there = &address,
		.bytes = bytes,
		.len_bytes = len,
	};

	dgram_guests_take(guests, &came);
}

static void say_hello(uint64_t cookie)
{
	const struct wire_hello hello = {.version = WIRE_VERSION,
					 .read_max_bytes = WIRE_READ_MAX};
	struct dgram_head head = {
		.kind = DGRAM_HELLO, .token = cookie, .at = LINK_BYTES};
	struct wire_header header = {.type = WIRE_HELLO, .id = 7};
	uint8_t bytes[LINK_BYTES], body[WIRE_REQUEST_MAX];
	size_t len = wire_put_hello(body, &hello);

	header.body_bytes = (uint32_t)len;
	dgram_put(bytes, &head);
	wire_put_header(bytes + DGRAM_HEAD_BYTES, &header);
	memcpy(bytes + DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES, body, len);
	give(bytes, DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES + len);
}

static void open_server(void)
{
	server = (struct server){
		.ops = &ops, .options = serve_defaults, .handler = &handler};
	server.options.clients_max = 2;
	demand(!dgram_guests_open(&server, &guests));
	say_hello(0);
	say_hello(token);
	demand(server.stats.clients == 1);
}

/* ---- both ---- */

struct input {
	const uint8_t *data;
	size_t len;
};

/* The next datagram, at the end of a piece of memory of its own: to be freed.
 */
static uint8_t *next(struct input *input, size_t max_bytes, size_t *ret_len)
{
	size_t len;
	uint8_t *bytes;

	if (input->len < 2)
		return NULL;
	len = (size_t)(input->data[0] | input->data[1] << 8);
	input->data += 2;
	input->len -= 2;
	len %= max_bytes + 1;
	len = len < input->len ? len : input->len;
	bytes = malloc(len + !len);
	demand(bytes != NULL);
	memcpy(bytes, input->data, len);
	input->data += len;
	input->len -= len;
	*ret_len = len;
	return bytes;
}

/* Where there are zeros at @at, put the @width bytes of what they stand for. */
static void put(uint8_t *bytes, size_t len, size_t at, const void *value,
		size_t width)
{
	static const uint8_t zeros[8];

	if (len >= at + width && !memcmp(bytes + at, zeros, width))
		memcpy(bytes + at, value, width);
}

static void put_token(uint8_t *bytes, size_t len, uint64_t value)
{
	if (len >= DGRAM_HEAD_BYTES)
		put(bytes, len, TOKEN_AT, &value, sizeof(value));
}

static void put_id(uint8_t *bytes, size_t len, uint32_t id)
{
	if (len < DGRAM_HEAD_BYTES)
		return;
	if (bytes[KIND_AT] == DGRAM_PIECE)
		put(bytes, len, ID_AT, &id, sizeof(id));
	put(bytes, len, MESSAGE_ID_AT, &id, sizeof(id));
}

static void try_server(struct input input)
{
	uint64_t guest;
	uint8_t *bytes;
	size_t len;

	open_server();
	guest = token;
	while ((bytes = next(&input, LINK_BYTES, &len))) {
		put_token(bytes, len, guest);
		give(bytes, len);
		free(bytes);
	}
	dgram_guests_close(guests);
	demand(!nr_tails && !server.stats.clients && !server.stats.strangers);
}

/* ---- the client ---- */

struct fed {
	struct dgram_link link;
	struct input input;
	uint64_t token; /* what zeros stand for */
	uint32_t id;	/* the last question's */
	uint8_t *held;
};

static int link_send(struct dgram_link *link, const void *bytes, size_t len)
{
	struct fed *fed = (struct fed *)link;

	demand(len <= link->max_bytes);
	if (len >= DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES)
		memcpy(&fed->id, (const uint8_t *)bytes + MESSAGE_ID_AT, 4);
	return 0;
}

static int link_recv(struct dgram_link *link, int timeout_ms,
		     const uint8_t **ret_bytes)
{
	struct fed *fed = (struct fed *)link;
	size_t len;

	free(fed->held);
	fed->held = next(&fed->input, link->max_bytes, &len);
	if (!fed->held)
		return -ETIMEDOUT;
	put_token(fed->held, len, fed->token);
	put_id(fed->held, len, fed->id);
	*ret_bytes = fed->held;
	return (int)len;
}

static void link_close(struct dgram_link *link)
{
	free(((struct fed *)link)->held);
}

static void ask(struct dgram_call *call)
{
	const struct dgram_question question = {WIRE_OPEN, "x", 1};
	char why[WIRE_WHY_MAX + 1];
	struct dgram_reply reply = {NULL, 0};

	if (!dgram_ask(call, &question, &reply, why))
		demand(reply.body_bytes <= WIRE_REPLY_MAX);
	free(reply.body);
	dgram_bye(call);
}

static void try_client(struct input input)
{
	struct fed fed = {
		.link = {LINK_BYTES, link_send, link_recv, link_close},
		.input = input,
		.token = 77,
	};
	struct dgram_call call = {
		.link = &fed.link,
		.token = fed.token,
		.max_bytes = LINK_BYTES,
		.timeout_ms = 1000,
	};

	ask(&call);
}

static void try_hello(struct input input)
{
	static const struct sec_settings none = {.kind = WIRE_SEC_NONE};
	static const struct sec_way way = {.is_verbs = true};
	const struct dgram_greeting greeting = {&none, &way, 1000};
	struct fed fed = {
		.link = {DGRAM_MAX_BYTES, link_send, link_recv, link_close},
		.input = input,
	};
	char why[WIRE_WHY_MAX + 1];
	struct dgram_call call;

	if (!dgram_hello(&fed.link, &greeting, &call, why))
		ask(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct input input = {data, len};

	try_server(input);
	try_client(input);
	try_hello(input);
	return 0;
}
