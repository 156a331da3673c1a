/* SPDX-License-Identifier: MIT */
/*
 * test_dgram_pair.c - a client and a server by datagrams that get lost, come
 * twice, or late
 *
 * One thread, and no waiting: the client's recv() carries datagrams to the
 * server and back, and says that none came when none is there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/dgram_call.h"
#include "rdmafetch/dgram_guests.h"

#define LINK_BYTES  512u
#define QUEUE_MAX   256u
#define DESC_BYTES  100000u
#define CALL_MS	    2000
#define STRANGER_QP 99u

struct datagram {
	size_t len;
	uint8_t bytes[LINK_BYTES];
};

struct queue {
	struct datagram at[QUEUE_MAX];
	unsigned nr;
};

/* What happens on the way. */
struct weather {
	unsigned lost, twice, late; /* of 100 */
	bool is_dead;
	enum dgram_kind spared; /* never lost */
};

static struct {
	struct server server;
	struct dgram_guests *guests;
	struct dgram_out out;
	struct dgram_link link;
	struct dgram_peer peer; /* the client's */
	struct queue up, down;
	struct weather weather;
	struct datagram sent_last; /* by the client */
	unsigned nr_down, bytes_up, bytes_down;
	/* the handler's */
	unsigned nr_joins, nr_leaves, nr_calls, nr_tails, nr_done;
	int refuse;
	struct serve_ticket waits; /* client 0: none */
	unsigned seed;
} it;

static uint8_t desc[DESC_BYTES];

/* ---- the handler ---- */

static int join(void *arg, const struct serve_origin *origin,
		void **ret_session, char *why)
{
	assert_true(origin->is_verbs);
	assert_int_equal(origin->fd, -1);
	if (it.refuse) {
		strcpy(why, "not you");
		return it.refuse;
	}
	it.nr_joins++;
	*ret_session = &it;
	return 0;
}

static void leave(void *session)
{
	assert_ptr_equal(session, &it);
	it.nr_leaves++;
}

static void tail_done(void *owner)
{
	assert_ptr_equal(owner, desc);
	it.nr_done++;
}

/* PREPARE is counted; OPEN is long; LIST is answered later. */
static void request(void *session, const struct serve_ticket *ticket,
		    const uint8_t *body, size_t body_bytes)
{
	const struct serve_tail tail = {desc, DESC_BYTES, tail_done, desc};
	char text[32];

	it.nr_calls++;
	if (ticket->type == WIRE_OPEN) {
		it.nr_tails++;
		(void)serve_answer_tail(ticket, body, body_bytes, &tail);
	} else if (ticket->type == WIRE_LIST) {
		it.waits = *ticket;
	} else if (ticket->type == WIRE_RELEASE) {
		(void)serve_refuse(ticket, -ENOENT, "no such image");
	} else {
		(void)snprintf(text, sizeof(text), "call %u", it.nr_calls);
		(void)serve_answer(ticket, text, strlen(text));
	}
}

static int no_source(void *session, uint32_t handle, struct page_source **ret)
{
	fail();
	return -EBADF;
}

static const struct serve_ops handler = {
	.join = join,
	.leave = leave,
	.request = request,
	.source = no_source,
};

static int answer(struct server *server, const struct serve_ticket *ticket,
		  const void *body, size_t body_bytes,
		  const struct serve_tail *tail)
{
	return dgram_guests_answer(
		it.guests, ticket,
		&(struct dgram_answer){0, body, body_bytes, tail});
}

static int refuse(struct server *server, const struct serve_ticket *ticket,
		  int error, const char *why)
{
	return dgram_guests_answer(
		it.guests, ticket,
		&(struct dgram_answer){error, why, strlen(why), NULL});
}

static const struct server_ops ops = {.answer = answer, .refuse = refuse};

/* ---- the link ---- */

static bool chance(unsigned percent)
{
	it.seed = it.seed * 1103515245u + 12345u;
	return (it.seed >> 16) % 100 < percent;
}

static void add(struct queue *queue, const struct datagram *datagram)
{
	if (queue->nr < QUEUE_MAX)
		queue->at[queue->nr++] = *datagram;
}

static void carry(struct queue *queue, const struct datagram *datagram)
{
	bool is_spared = datagram->bytes[5] == it.weather.spared;

	if (it.weather.is_dead || (!is_spared && chance(it.weather.lost)))
		return;
	add(queue, datagram);
	if (chance(it.weather.twice))
		add(queue, datagram);
}

/* The first, or one behind it. */
static bool pull(struct queue *queue, struct datagram *ret)
{
	unsigned at = 0;

	if (!queue->nr)
		return false;
	while (at + 1 < queue->nr && chance(it.weather.late))
		at++;
	*ret = queue->at[at];
	memmove(&queue->at[at], &queue->at[at + 1],
		(--queue->nr - at) * sizeof(queue->at[0]));
	return true;
}

static struct datagram to_client;

static uint8_t *begin(struct dgram_out *out, const struct dgram_peer *peer)
{
	to_client.len = 0;
	return to_client.bytes;
}

static void send_down(struct dgram_out *out, size_t len)
{
	assert_in_range(len, DGRAM_HEAD_BYTES, it.out.max_bytes);
	assert_true(len <= it.link.max_bytes);
	to_client.len = len;
	it.nr_down++;
	it.bytes_down += len;
	carry(&it.down, &to_client);
}

static void give(const struct datagram *datagram)
{
	static const struct sockaddr_storage address = {.ss_family = AF_INET};
	const struct dgram_came came = {
		.out = &it.out,
		.peer = it.peer,
		.here = &address,
		.there = &address,
		.bytes = datagram->bytes,
		.len_bytes = datagram->len,
		.now_ns = 1,
	};

	dgram_guests_take(it.guests, &came);
}

static int link_send(struct dgram_link *link, const void *bytes, size_t len)
{
	assert_in_range(len, DGRAM_HEAD_BYTES, it.link.max_bytes);
	/* Not known yet: it would be lost. */
	assert_true(((const uint8_t *)bytes)[5] == DGRAM_HELLO ||
		    len <= it.out.max_bytes);
	it.sent_last.len = len;
	memcpy(it.sent_last.bytes, bytes, len);
	it.bytes_up += len;
	carry(&it.up, &it.sent_last);
	return 0;
}

static void answer_late(void)
{
	struct serve_ticket ticket = it.waits;

	if (!ticket.client || !chance(30))
		return;
	it.waits.client = 0;
	(void)serve_answer(&ticket, "late", 4);
}

static int link_recv(struct dgram_link *link, int timeout_ms,
		     const uint8_t **ret_bytes)
{
	static struct datagram datagram;

	while (pull(&it.up, &datagram))
		give(&datagram);
	answer_late();
	if (!pull(&it.down, &datagram))
		return 0;
	*ret_bytes = datagram.bytes;
	return (int)datagram.len;
}

static void link_close(struct dgram_link *link)
{
	struct datagram datagram;

	while (pull(&it.up, &datagram))
		give(&datagram);
}

/* ---- tests ---- */

static int set_up(void **state)
{
	memset(&it, 0, sizeof(it));
	it.seed = 1;
	it.server = (struct server){
		.ops = &ops,
		.options = serve_defaults,
		.handler = &handler,
	};
	it.server.options.clients_max = 4;
	it.out = (struct dgram_out){LINK_BYTES, begin, send_down};
	it.link = (struct dgram_link){LINK_BYTES, link_send, link_recv,
				      link_close};
	it.peer.qpn = 17;
	for (size_t i = 0; i < DESC_BYTES; i++)
		desc[i] = (uint8_t)(i * 31 + i / 256);
	return dgram_guests_open(&it.server, &it.guests);
}

static int tear_down(void **state)
{
	dgram_guests_close(it.guests);
	return 0;
}

static int hello(struct dgram_call *call, char *why)
{
	const struct sec_settings none = {.kind = WIRE_SEC_NONE};
	const struct sec_way way = {.is_verbs = true};

	const struct dgram_greeting greeting = {&none, &way, CALL_MS};

	return dgram_hello(&it.link, &greeting, call, why);
}

static int ask(struct dgram_call *call, enum wire_type type, char **ret,
	       size_t *ret_bytes)
{
	const struct dgram_question question = {type, "what", 4};
	char why[WIRE_WHY_MAX + 1];
	struct dgram_reply reply = {NULL, 0};
	int error = dgram_ask(call, &question, &reply, why);

	*ret = reply.body;
	*ret_bytes = reply.body_bytes;
	return error;
}

/* Each call is made once and has its answer, whatever the weather. */
static void ask_all(struct dgram_call *call, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		char wanted[32], *body;
		size_t len;

		assert_int_equal(ask(call, WIRE_PREPARE, &body, &len), 0);
		(void)snprintf(wanted, sizeof(wanted), "call %u", 3 * i + 1);
		assert_int_equal(len, strlen(wanted));
		assert_memory_equal(body, wanted, len);
		free(body);
		assert_int_equal(ask(call, WIRE_OPEN, &body, &len), 0);
		assert_int_equal(len, 4 + DESC_BYTES);
		assert_memory_equal(body, "what", 4);
		assert_memory_equal(body + 4, desc, DESC_BYTES);
		free(body);
		assert_int_equal(ask(call, WIRE_LIST, &body, &len), 0);
		assert_int_equal(len, 4);
		assert_memory_equal(body, "late", 4);
		free(body);
		assert_int_equal(ask(call, WIRE_NIL, &body, &len), 0);
		free(body);
	}
	assert_int_equal(it.nr_calls, 3 * rounds);
}

static void calls_are_answered(void **state)
{
	struct dgram_call call;
	char why[WIRE_WHY_MAX + 1];

	assert_int_equal(hello(&call, why), 0);
	assert_int_equal(it.server.stats.clients, 1);
	ask_all(&call, 3);
	dgram_bye(&call);
	assert_int_equal(it.nr_joins, 1);
	assert_int_equal(it.nr_leaves, 1);
	assert_int_equal(it.server.stats.clients, 0);
	assert_int_equal(it.server.stats.strangers, 0);
	assert_int_equal(it.nr_done, it.nr_tails);
}

static void weather_does_no_harm(void **state)
{
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct dgram_call call;
		char why[WIRE_WHY_MAX + 1];

		(void)tear_down(state);
		assert_int_equal(set_up(state), 0);
		it.seed = seed;
		it.weather = (struct weather){30, 20, 40, .spared = DGRAM_BYE};
		assert_int_equal(hello(&call, why), 0);
		ask_all(&call, 2);
		dgram_bye(&call);
		assert_int_equal(it.nr_joins, 1);
		assert_int_equal(it.nr_leaves, 1);
		assert_int_equal(it.nr_done, it.nr_tails);
	}
}

/* The shorter one of two links counts, for answers and for questions. */
static void links_of_two_lengths_agree(void **state)
{
	static uint8_t text[LINK_BYTES];
	struct dgram_question question = {WIRE_NIL, text, 0};

	for (int turn = 0; turn < 2; turn++) {
		struct dgram_call call;
		char why[WIRE_WHY_MAX + 1];

		(void)tear_down(state);
		assert_int_equal(set_up(state), 0);
		*(turn ? &it.link.max_bytes : &it.out.max_bytes) =
			DGRAM_MIN_BYTES;
		assert_int_equal(hello(&call, why), 0);
		assert_int_equal(call.max_bytes, DGRAM_MIN_BYTES);
		ask_all(&call, 2);
		question.body_bytes =
			DGRAM_MIN_BYTES - DGRAM_HEAD_BYTES - WIRE_HEADER_BYTES;
		assert_int_equal(dgram_ask(&call, &question, NULL, why), 0);
		question.body_bytes++;
		assert_int_equal(dgram_ask(&call, &question, NULL, why),
				 -EMSGSIZE);
		dgram_bye(&call);
	}
}

static void who_is_refused_hears_why(void **state)
{
	struct dgram_call call;
	char why[WIRE_WHY_MAX + 1];

	it.refuse = -EACCES;
	assert_int_equal(hello(&call, why), -EACCES);
	assert_string_equal(why, "not you");
	assert_int_equal(it.server.stats.clients, 0);
	assert_int_equal(it.server.stats.strangers, 0);
	/* And a call, in its own words. */
	it.refuse = 0;
	assert_int_equal(hello(&call, why), 0);
	assert_int_equal(
		dgram_ask(&call, &(struct dgram_question){WIRE_RELEASE, "x", 1},
			  NULL, why),
		-ENOENT);
	assert_string_equal(why, "no such image");
	dgram_bye(&call);
}

/* No page, no key: whatever is asked for. */
static void nobody_is_exported_anything(void **state)
{
	static const enum wire_type types[] = {WIRE_READ, WIRE_EXPORT,
					       WIRE_TAKEN};
	struct dgram_call call;
	char why[WIRE_WHY_MAX + 1], *body;
	size_t len;

	assert_int_equal(hello(&call, why), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(&call, types[i], &body, &len),
				 -EOPNOTSUPP);
	assert_int_equal(it.nr_calls, 0);
	dgram_bye(&call);
}

static void a_dead_link_has_an_end(void **state)
{
	struct dgram_call call;
	char why[WIRE_WHY_MAX + 1], *body;
	size_t len;

	assert_int_equal(hello(&call, why), 0);
	it.weather.is_dead = true;
	call.timeout_ms = 30;
	assert_int_equal(ask(&call, WIRE_PREPARE, &body, &len), -ETIMEDOUT);
	dgram_bye(&call);
}

/* A stranger: nothing is kept of who has shown no cookie of its own, and less
 * is sent than came.  However many ask, a cookie stays good for its owner. */
static void who_hears_nothing_is_nobody(void **state)
{
	struct dgram_call call;
	char why[WIRE_WHY_MAX + 1];
	struct datagram again;

	it.weather.is_dead = true;
	assert_int_equal(
		dgram_hello(&it.link,
			    &(struct dgram_greeting){
				    &(struct sec_settings){0},
				    &(struct sec_way){.is_verbs = true}, 30},
			    &call, why),
		-ETIMEDOUT);
	it.weather.is_dead = false;
	it.bytes_up = it.bytes_down = 0;
	again = it.sent_last;
	give(&again);
	memcpy(again.bytes + 8, it.down.at[0].bytes + 8, 8); /* the cookie */
	for (int i = 0; i < 1000; i++) {
		it.peer.qpn = 1000 + (unsigned)i;
		it.bytes_up += again.len;
		give(&again);
	}
	assert_int_equal(it.nr_joins, 0);
	assert_int_equal(it.server.stats.clients, 0);
	assert_int_equal(it.server.stats.strangers, 0);
	assert_true(it.bytes_down > 0);
	assert_true(it.bytes_down < it.bytes_up);
	it.peer.qpn = 17;
	give(&again);
	assert_int_equal(it.nr_joins, 1);
	assert_int_equal(it.server.stats.clients, 1);
}

/* A token is good at its own address only; a guest that was forgotten says
 * HELLO again. */
static void tokens_are_not_to_be_stolen(void **state)
{
	struct dgram_call call, again;
	char why[WIRE_WHY_MAX + 1], *body;
	struct datagram stolen;
	size_t len;

	assert_int_equal(hello(&call, why), 0);
	assert_int_equal(ask(&call, WIRE_PREPARE, &body, &len), 0);
	free(body);
	assert_int_equal(it.nr_calls, 1);
	stolen = it.sent_last;
	stolen.bytes[DGRAM_HEAD_BYTES + 8]++; /* as if it were the next call */
	it.peer.qpn = STRANGER_QP;
	give(&stolen);
	assert_int_equal(it.nr_calls, 1);
	stolen.bytes[5] = DGRAM_BYE;
	stolen.len = DGRAM_HEAD_BYTES;
	give(&stolen);
	assert_int_equal(it.nr_leaves, 0);
	it.down.nr = 0;
	it.peer.qpn = 17;
	dgram_guests_expire(it.guests, 1 + DGRAM_SILENT_NS);
	assert_int_equal(it.nr_leaves, 0);
	dgram_guests_expire(it.guests, 2 + DGRAM_SILENT_NS);
	assert_int_equal(it.nr_leaves, 1);
	assert_int_equal(ask(&call, WIRE_PREPARE, &body, &len), -ECONNRESET);
	assert_int_equal(it.nr_calls, 1);
	assert_int_equal(hello(&again, why), 0);
	assert_int_equal(ask(&again, WIRE_PREPARE, &body, &len), 0);
	free(body);
	dgram_bye(&again);
}

/* A call that comes late, when the next one was answered already. */
static void what_is_late_is_not_made_again(void **state)
{
	struct dgram_call call;
	char why[WIRE_WHY_MAX + 1], *body;
	struct datagram first;
	size_t len;

	assert_int_equal(hello(&call, why), 0);
	assert_int_equal(ask(&call, WIRE_PREPARE, &body, &len), 0);
	free(body);
	first = it.sent_last;
	assert_int_equal(ask(&call, WIRE_PREPARE, &body, &len), 0);
	free(body);
	give(&first);
	assert_int_equal(it.nr_calls, 2);
	give(&it.sent_last);
	assert_int_equal(it.nr_calls, 2);
	it.down.nr = 0;
	assert_int_equal(ask(&call, WIRE_PREPARE, &body, &len), 0);
	assert_memory_equal(body, "call 3", 6);
	free(body);
	dgram_bye(&call);
}

static void a_full_house_says_so(void **state)
{
	struct dgram_call calls[5];
	char why[WIRE_WHY_MAX + 1];

	for (unsigned i = 0; i < 4; i++) {
		it.peer.qpn = i;
		assert_int_equal(hello(&calls[i], why), 0);
	}
	it.peer.qpn = 4;
	assert_int_equal(hello(&calls[4], why), -EUSERS);
	it.peer.qpn = 2;
	dgram_bye(&calls[2]);
	it.peer.qpn = 4;
	assert_int_equal(hello(&calls[4], why), 0);
	for (unsigned i = 0; i < 5; i++) {
		it.peer.qpn = i;
		if (i != 2)
			dgram_bye(&calls[i]);
	}
	assert_int_equal(it.nr_leaves, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(calls_are_answered),
		TEST(weather_does_no_harm),
		TEST(links_of_two_lengths_agree),
		TEST(who_is_refused_hears_why),
		TEST(nobody_is_exported_anything),
		TEST(a_dead_link_has_an_end),
		TEST(who_hears_nothing_is_nobody),
		TEST(tokens_are_not_to_be_stolen),
		TEST(what_is_late_is_not_made_again),
		TEST(a_full_house_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
