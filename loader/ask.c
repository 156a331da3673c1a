/* SPDX-License-Identifier: MIT */
/*
 * ask.c - one walk for both directions, and two packets a message
 */
#include "loader/ask.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/io.h"

#define CHOICE_BYTES 10u /* at least, encoded */
#define PORT_BYTES   4u
#define ARENA_BYTES  4096u
#define WORDS_MAX    480u

static void walk_choices(struct codec *codec, struct ask *ask)
{
	codec_count(codec, &ask->nr_choices, ASK_CHOICES_MAX, CHOICE_BYTES);
	if (codec_decoding(codec))
		ask->choices = codec_alloc(codec, ask->nr_choices,
					   sizeof(*ask->choices));
	for (uint32_t i = 0; !codec->error && i < ask->nr_choices; i++) {
		codec_i32(codec, &ask->choices[i].fd);
		codec_i32(codec, &ask->choices[i].sent);
		codec_string(codec, &ask->choices[i].path, ASK_PATH_MAX);
	}
}

static void walk_ports(struct codec *codec, struct ask *ask)
{
	codec_count(codec, &ask->nr_ports, ASK_CHOICES_MAX, PORT_BYTES);
	if (codec_decoding(codec))
		ask->ports =
			codec_alloc(codec, ask->nr_ports, sizeof(*ask->ports));
	for (uint32_t i = 0; !codec->error && i < ask->nr_ports; i++) {
		codec_bytes(codec, &ask->ports[i].from, sizeof(uint16_t));
		codec_bytes(codec, &ask->ports[i].to, sizeof(uint16_t));
	}
}

static void walk(struct codec *codec, struct ask *ask)
{
	codec_u32(codec, &ask->nr_children);
	codec_bool(codec, &ask->linger);
	codec_bool(codec, &ask->wants_pids);
	codec_bool(codec, &ask->has_terminal);
	codec_string(codec, &ask->image, ASK_PATH_MAX);
	codec_string(codec, &ask->cwd, ASK_PATH_MAX);
	codec_string(codec, &ask->root, ASK_PATH_MAX);
	walk_choices(codec, ask);
	walk_ports(codec, ask);
}

int ask_encode(const struct ask *ask, uint8_t *ret_body, size_t *ret_len)
{
	/* Encoding reads it and never writes to it. */
	struct ask *readable = (struct ask *)ask;
	struct codec codec = {.mode = CODEC_MEASURE};

	walk(&codec, readable);
	if (codec.error)
		return codec.error;
	if (codec.total_bytes > ASK_BODY_MAX)
		return -E2BIG;
	codec.mode = CODEC_ENCODE;
	codec.at = ret_body;
	codec.end = ret_body + codec.total_bytes;
	walk(&codec, readable);
	*ret_len = codec.total_bytes;
	return codec.error;
}

static int check(const struct ask *ask, unsigned nr_fds)
{
	unsigned first = ask_first_choice(ask);

	if (!ask->nr_children || ask->nr_children > ASK_NR_MAX ||
	    nr_fds < first)
		return -EPROTO;
	for (uint32_t i = 0; i < ask->nr_choices; i++) {
		const struct ask_choice *choice = &ask->choices[i];

		if (choice->fd < 0 || choice->sent < -1 ||
		    choice->sent >= (int)(nr_fds - first) ||
		    (choice->sent < 0) != (choice->path[0] != '\0'))
			return -EPROTO;
	}
	return 0;
}

int ask_decode(const uint8_t *body, size_t len, unsigned nr_fds,
	       struct ask *ret_ask)
{
	/* Decoding reads the bytes and never writes to them. */
	uint8_t *readable = (uint8_t *)body;
	struct codec codec = {
		.mode = CODEC_DECODE,
		.at = readable,
		.end = readable + len,
		.arena = arena_new(ARENA_BYTES),
	};
	struct ask ask = {0};

	if (!codec.arena)
		return -ENOMEM;
	walk(&codec, &ask);
	if (!codec.error && codec_left(&codec))
		codec_fail(&codec, -EPROTO);
	if (!codec.error)
		codec.error = check(&ask, nr_fds);
	ask.arena = codec.arena;
	if (codec.error)
		ask_free(&ask);
	else
		*ret_ask = ask;
	return codec.error;
}

void ask_free(struct ask *ask)
{
	arena_free(ask->arena);
	memset(ask, 0, sizeof(*ask));
}

int ask_check_head(const struct ask_head *head, bool from_client)
{
	static const struct {
		bool from_client;
		uint32_t body_max;
	} types[ASK_TYPES_END] = {
		[ASK_CHILDREN] = {true, ASK_BODY_MAX},
		[ASK_SIGNAL] = {true, 0},
		[ASK_REFUSED] = {false, WORDS_MAX},
		[ASK_KILLED] = {false, WORDS_MAX},
	};

	if (head->magic != ASK_MAGIC || !head->type ||
	    head->type >= ASK_TYPES_END ||
	    types[head->type].from_client != from_client ||
	    head->body_bytes > types[head->type].body_max)
		return -EPROTO;
	if (head->type == ASK_CHILDREN && !head->body_bytes)
		return -EPROTO;
	if (head->type == ASK_SIGNAL || head->type == ASK_STOPPED)
		return head->value > 0 && head->value <= ASK_SIGNAL_MAX
			       ? 0
			       : -EPROTO;
	return 0;
}

int ask_send(int sock, struct ask_message *message)
{
	int error;

	message->head.magic = ASK_MAGIC;
	error = io_send_fds(sock, &message->head, sizeof(message->head),
			    message->fds, message->nr_fds);
	if (error || !message->head.body_bytes)
		return error;
	return io_send_fds(sock, message->body, message->head.body_bytes, NULL,
			   0);
}

int ask_receive_head(int sock, bool from_client,
		     struct ask_message *ret_message)
{
	struct ask_message message = {0};
	int error = io_recv_fds(sock, &message.head, sizeof(message.head),
				message.fds, ASK_FDS_MAX, &message.nr_fds);

	if (error)
		return error;
	error = ask_check_head(&message.head, from_client);
	if (error)
		ask_close_fds(&message);
	else
		*ret_message = message;
	return error;
}

int ask_receive_body(int sock, uint8_t *room, struct ask_message *message)
{
	const uint32_t len = message->head.body_bytes;
	unsigned none;
	int error = len ? io_recv_fds(sock, room, len, NULL, 0, &none) : 0;

	if (error)
		return error;
	room[len] = '\0';
	message->received = room;
	return 0;
}

int ask_receive(int sock, bool from_client, uint8_t *room,
		struct ask_message *ret_message)
{
	struct ask_message message;
	int error = ask_receive_head(sock, from_client, &message);

	if (error)
		return error;
	error = ask_receive_body(sock, room, &message);
	if (error)
		ask_close_fds(&message);
	else
		*ret_message = message;
	return error;
}

void ask_close_fds(struct ask_message *message)
{
	for (unsigned i = 0; i < message->nr_fds; i++)
		(void)close(message->fds[i]);
	message->nr_fds = 0;
}
