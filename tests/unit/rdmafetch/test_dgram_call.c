/* SPDX-License-Identifier: MIT */
/*
 * test_dgram_call.c - a client by datagrams, and a far end that means harm
 *
 * Each test is a list of datagrams, which come one after the other whatever the
 * client sends.  Behind the last the link is broken.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/dgram_call.h"

#define TOKEN	   77u
#define COME_MAX   8u
#define ID_AT	   (DGRAM_HEAD_BYTES + 8u)
#define BODY_AT	   (DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES)
#define PIECE_SIZE (DGRAM_MIN_BYTES - DGRAM_HEAD_BYTES)
#define WHY_ROOM   (2 * DGRAM_MAX_BYTES)

struct datagram {
	size_t len;
	uint8_t bytes[DGRAM_MAX_BYTES];
};

static struct {
	struct datagram come[COME_MAX];
	unsigned nr, at, nr_sent;
	uint32_t id; /* of the question */
	/* More than there need be: what is written behind it is seen. */
	char why[WHY_ROOM];
} it;

/* ---- the link ---- */

static int link_send(struct dgram_link *link, const void *bytes, size_t len)
{
	const uint8_t *sent = bytes;

	it.nr_sent++;
	if (sent[5] != DGRAM_PULL && len >= BODY_AT)
		memcpy(&it.id, sent + ID_AT, 4);
	return 0;
}

/* Answers and pieces are the question's. */
static int link_recv(struct dgram_link *link, int timeout_ms,
		     const uint8_t **ret_bytes)
{
	struct datagram *datagram = &it.come[it.at];
	uint8_t *bytes = datagram->bytes;

	if (it.at == it.nr)
		return -EIO;
	it.at++;
	if (bytes[5] == DGRAM_PIECE)
		memcpy(bytes + 16, &it.id, 4);
	if (bytes[5] != DGRAM_PIECE || !bytes[20])
		memcpy(bytes + ID_AT, &it.id, 4);
	*ret_bytes = bytes;
	return (int)datagram->len;
}

static void link_close(struct dgram_link *link)
{
}

static struct dgram_link the_link;

static int set_up(void **state)
{
	memset(&it, 0, sizeof(it));
	memset(it.why, '#', sizeof(it.why));
	the_link = (struct dgram_link){DGRAM_MAX_BYTES, link_send, link_recv,
				       link_close};
	return 0;
}

/* ---- what comes ---- */

/* @len bytes behind the head. */
static uint8_t *come(const struct dgram_head *head, size_t len)
{
	struct datagram *datagram = &it.come[it.nr++];

	memset(datagram->bytes, 'B', sizeof(datagram->bytes));
	dgram_put(datagram->bytes, head);
	datagram->len = DGRAM_HEAD_BYTES + len;
	return datagram->bytes + DGRAM_HEAD_BYTES;
}

static void come_pack(const struct wire_header *answer)
{
	const struct dgram_head head = {.kind = DGRAM_PACK, .token = TOKEN};

	wire_put_header(come(&head, WIRE_HEADER_BYTES + answer->body_bytes),
			answer);
}

/* The first piece of @answer; or, with NULL, piece @at. */
static void come_piece(uint64_t token, uint32_t at, size_t len,
		       const struct wire_header *answer)
{
	const struct dgram_head head = {
		.kind = DGRAM_PIECE, .token = token, .at = at};
	uint8_t *body = come(&head, len);

	if (answer)
		wire_put_header(body, answer);
}

static void come_cookie(uint32_t max_bytes)
{
	const struct dgram_head head = {
		.kind = DGRAM_COOKIE, .token = 9, .at = max_bytes};

	(void)come(&head, 0);
}

static int hello(void)
{
	const struct sec_settings none = {.kind = WIRE_SEC_NONE};
	const struct sec_way way = {.is_verbs = true};
	const struct dgram_greeting greeting = {&none, &way, 1000};
	struct dgram_call call;

	return dgram_hello(&the_link, &greeting, &call, it.why);
}

static int ask(uint32_t max_bytes, struct dgram_reply *ret)
{
	struct dgram_call call = {.link = &the_link,
				  .token = TOKEN,
				  .max_bytes = max_bytes,
				  .timeout_ms = 1000};

	return dgram_ask(&call, &(struct dgram_question){WIRE_OPEN, "x", 1},
			 ret, it.why);
}

static void assert_kept_within_why(void)
{
	for (size_t i = WIRE_WHY_MAX + 1; i < WHY_ROOM; i++)
		assert_int_equal(it.why[i], '#');
}

/* ---- tests ---- */

static struct wire_header refusal(enum wire_type type, uint32_t len)
{
	return (struct wire_header){.type = (uint16_t)type,
				    .flags = WIRE_REPLY,
				    .status = -EACCES,
				    .body_bytes = len};
}

static void a_refusal_has_no_more_words_than_it_may(void **state)
{
	struct wire_header answer = refusal(WIRE_OPEN, WIRE_WHY_MAX);

	come_pack(&answer);
	assert_int_equal(ask(DGRAM_MAX_BYTES, NULL), -EACCES);
	assert_int_equal(strlen(it.why), WIRE_WHY_MAX);
	assert_kept_within_why();
	answer.body_bytes++;
	come_pack(&answer);
	assert_int_equal(ask(DGRAM_MAX_BYTES, NULL), -EPROTO);
	assert_kept_within_why();
}

static void nor_has_one_of_hello(void **state)
{
	const struct wire_header answer = refusal(WIRE_HELLO, 4000);

	come_pack(&answer);
	assert_int_equal(hello(), -EPROTO);
	assert_kept_within_why();
}

/* It is refused by its first piece. */
static void nor_has_one_in_pieces(void **state)
{
	struct wire_header answer = refusal(WIRE_OPEN, WIRE_WHY_MAX);
	size_t last = WIRE_HEADER_BYTES + WIRE_WHY_MAX - PIECE_SIZE;

	come_piece(TOKEN, 0, PIECE_SIZE, &answer);
	come_piece(TOKEN, 1, last, NULL);
	assert_int_equal(ask(DGRAM_MIN_BYTES, NULL), -EACCES);
	assert_int_equal(strlen(it.why), WIRE_WHY_MAX);
	answer.body_bytes++;
	come_piece(TOKEN, 0, PIECE_SIZE, &answer);
	come_piece(TOKEN, 1, last + 1, NULL);
	assert_int_equal(ask(DGRAM_MIN_BYTES, NULL), -EPROTO);
	assert_int_equal(it.at, 3);
	assert_kept_within_why();
}

/* Neither another question's, nor elsewhere: these are for RDMA. */
static void answers_are_of_their_question_and_here(void **state)
{
	struct wire_header answer = {.type = WIRE_LIST, .flags = WIRE_REPLY};

	come_pack(&answer);
	assert_int_equal(ask(DGRAM_MAX_BYTES, NULL), -EPROTO);
	answer.type = WIRE_OPEN;
	answer.flags |= WIRE_FAR;
	answer.body_bytes = 16;
	come_pack(&answer);
	assert_int_equal(ask(DGRAM_MAX_BYTES, NULL), -EPROTO);
}

/* Where each piece belongs is settled with the first. */
static void a_cookie_between_pieces_is_late(void **state)
{
	const struct wire_header answer = {
		.type = WIRE_HELLO, .flags = WIRE_REPLY, .body_bytes = 900};

	come_cookie(DGRAM_MIN_BYTES);
	come_piece(0, 0, PIECE_SIZE, &answer);
	come_cookie(DGRAM_MAX_BYTES);
	/* As long as that would have it: behind the end of all. */
	come_piece(0, 1, DGRAM_MAX_BYTES - DGRAM_HEAD_BYTES, NULL);
	assert_int_equal(hello(), -EPROTO);
	assert_int_equal(it.at, 4);
	/* HELLO, and HELLO with the first cookie. */
	assert_int_equal(it.nr_sent, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(a_refusal_has_no_more_words_than_it_may),
		TEST(nor_has_one_of_hello),
		TEST(nor_has_one_in_pieces),
		TEST(answers_are_of_their_question_and_here),
		TEST(a_cookie_between_pieces_is_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
