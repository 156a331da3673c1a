/* SPDX-License-Identifier: MIT */
#include "loader/serve_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define PATIENCE_NS  10000000000ull /* to ask, and to go when told all: 10 s */
#define NS_PER_MS    1000000ull
#define ROOM_MS	     100       /* once: who has not read by then is cut off */
#define UNREAD_BYTES (4 << 20) /* what a thousand children have to tell */

static bool is_ours(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* Without the privilege it is what the system allows. */
static void make_room(int sock)
{
	const int bytes = UNREAD_BYTES;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		(void)setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &bytes,
				 sizeof(bytes));
}

struct serve_client *serve_client_new(int sock)
{
	struct serve_client *client =
		is_ours(sock) ? calloc(1, sizeof(*client)) : NULL;

	if (!client) {
		(void)close(sock);
		return NULL;
	}
	(void)fcntl(sock, F_SETFL, O_NONBLOCK);
	make_room(sock);
	client->sock = sock;
	client->late_ns = io_monotonic_ns() + PATIENCE_NS;
	return client;
}

static enum serve_heard hear_body(struct serve_client *client, uint8_t *room)
{
	if (ask_receive_body(client->sock, room, &client->request))
		return SERVE_HEARD_END;
	client->asked = true;
	return SERVE_HEARD_REQUEST;
}

enum serve_heard serve_client_hear(struct serve_client *client, uint8_t *room,
				   int *ret_signo)
{
	struct ask_message message;

	if (client->has_head && !client->asked)
		return hear_body(client, room);
	if (ask_receive_head(client->sock, true, &message))
		return SERVE_HEARD_END;
	if (message.head.type == ASK_SIGNAL) {
		ask_close_fds(&message);
		*ret_signo = message.head.value;
		return SERVE_HEARD_SIGNAL;
	}
	if (client->asked) {
		ask_close_fds(&message);
		return SERVE_HEARD_END;
	}
	client->request = message;
	client->has_head = true;
	return SERVE_HEARD_PART;
}

int serve_client_wait_ms(struct serve_client *client, uint64_t now_ns)
{
	if (client->sock < 0)
		return -1;
	if (client->over && !client->nr_untold && !client->parting) {
		client->parting = true;
		client->late_ns = now_ns + PATIENCE_NS;
	}
	if (client->asked && !client->parting)
		return -1;
	if (now_ns >= client->late_ns)
		return 0;
	return (int)((client->late_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

void serve_client_drop_fds(struct serve_client *client)
{
	ask_close_fds(&client->request);
}

void serve_client_cut(struct serve_client *client)
{
	if (client->sock >= 0)
		(void)close(client->sock);
	client->sock = -1;
}

void serve_client_free(struct serve_client *client)
{
	serve_client_cut(client);
	serve_client_drop_fds(client);
	load_done_with(&client->load);
	ask_free(&client->ask);
	free(client);
}

void serve_client_leave(struct serve_client *client)
{
	client->left = true;
	if (!client->nr_live)
		serve_client_free(client);
}

void serve_client_unplace(struct serve_client *client)
{
	client->nr_live--;
	if (client->left && !client->nr_live)
		serve_client_free(client);
}

static void choose_fds(struct serve_client *client)
{
	const struct ask *ask = &client->ask;
	const int *sent = client->request.fds + ask_first_choice(ask);

	for (uint32_t i = 0; i < ask->nr_choices; i++) {
		const struct ask_choice *choice = &ask->choices[i];

		client->choices[i] = (struct fate_choice){
			.fd = choice->fd,
			.own_fd = choice->sent < 0 ? -1 : sent[choice->sent],
			.path = choice->sent < 0 ? choice->path : NULL,
		};
	}
}

int serve_client_choose(struct serve_client *client, const struct load *base,
			struct why *why)
{
	const struct ask *ask = &client->ask;
	int error;

	choose_fds(client);
	client->options = *base->options;
	client->options.linger = ask->linger;
	client->options.cwd = ask->cwd[0] ? ask->cwd : NULL;
	client->options.root = ask->root[0] ? ask->root : NULL;
	client->options.nr_children = ask->nr_children;
	client->options.fates = (struct fate_options){
		.choices = client->choices,
		.nr_choices = ask->nr_choices,
		.ports = ask->ports,
		.nr_ports = ask->nr_ports,
	};
	error = load_with(base, &client->options, client->request.fds,
			  &client->load, why);
	/* Or kill(0, ...) of the child would reach us and all others. */
	if (client->load.leads == LOAD_LEADS_NOBODY)
		client->load.leads = LOAD_LEADS_GROUP;
	return error;
}

/* Where make_room() got little, a client that reads may be behind. */
static bool await_room(int sock)
{
	struct pollfd room = {.fd = sock, .events = POLLOUT};

	return poll(&room, 1, ROOM_MS) == 1 && room.revents == POLLOUT;
}

static void tell(struct serve_client *client, struct ask_message *message)
{
	int error;

	if (client->sock < 0)
		return;
	error = ask_send(client->sock, message);
	/* With a body the head may have gone. */
	if (error == -EAGAIN && !message->head.body_bytes &&
	    await_room(client->sock))
		error = ask_send(client->sock, message);
	if (error)
		serve_client_cut(client);
}

void serve_client_tell(struct serve_client *client, enum ask_type type,
		       uint32_t index, int32_t value)
{
	struct ask_message message = {
		.head = {.type = type, .index = index, .value = value},
	};

	tell(client, &message);
}

void serve_client_tell_words(struct serve_client *client, enum ask_type type,
			     int32_t value, const char *words)
{
	struct ask_message message = {
		.head = {.type = type,
			 .value = value,
			 .body_bytes = (uint32_t)strlen(words)},
		.body = words,
	};

	tell(client, &message);
}

void serve_client_tell_pid(struct serve_client *client, uint32_t index,
			   int pidfd)
{
	struct ask_message message = {
		.head = {.type = ASK_PID, .index = index},
		.fds = {pidfd},
		.nr_fds = 1,
	};

	tell(client, &message);
}
