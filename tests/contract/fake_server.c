/* SPDX-License-Identifier: MIT */
/*
 * fake_server.c - accept, parse, answer in the order and at the time wanted
 */
#include "tests/contract/fake_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io.h"
#include "common/wire.h"
#include "rdmafetch/tls.h"
#include "tests/contract/pattern.h"

#define TODO_MAX  1024u
#define INPUT_MAX 65536u

const char fake_server_desc[] = "a descriptor";
const char fake_server_words[] = "no image \x1b[1mof that name";

struct todo {
	struct wire_header header;
	uint8_t body[128];
	uint64_t due_ns;
};

struct fake_server {
	struct fake_server_options options;
	pthread_t thread;
	int listen_fd, fd, stop_fds[2];
	struct sockaddr_un unix_address;
	uint16_t port;
	struct todo todo[TODO_MAX];
	unsigned nr_todo, nr_reads;
	uint32_t answered_id;
	uint8_t input[INPUT_MAX];
	size_t input_bytes;
	bool hang_up;
	struct tls *tls; /* NULL: plain */
};

/* ---- answering ---- */

static void send_plain(struct fake_server *server, const void *buf, size_t len)
{
	const char *at = buf;

	while (len && !server->hang_up) {
		ssize_t n = send(server->fd, at, len, MSG_NOSIGNAL);

		if (n < 0) {
			server->hang_up = true;
			return;
		}
		at += n;
		len -= (size_t)n;
	}
}

/* What TLS wants to say. */
static void send_out(struct fake_server *server)
{
	size_t bytes;
	const void *out = tls_out(server->tls, &bytes);

	send_plain(server, out, bytes);
	tls_went(server->tls, bytes);
}

static void send_all(struct fake_server *server, const void *buf, size_t len)
{
	const char *at = buf;

	if (!server->tls) {
		send_plain(server, buf, len);
		return;
	}
	while (len && !server->hang_up) {
		size_t part = len < TLS_PUT_MAX ? len : TLS_PUT_MAX;

		if (tls_put(server->tls, at, part))
			server->hang_up = true;
		send_out(server);
		at += part;
		len -= part;
	}
}

static void send_frame(struct fake_server *server, struct wire_header header,
		       const void *body)
{
	size_t len = WIRE_HEADER_BYTES + header.body_bytes;
	uint8_t *out = malloc(len);

	wire_put_header(out, &header);
	if (header.body_bytes)
		memcpy(out + WIRE_HEADER_BYTES, body, header.body_bytes);
	send_all(server, out, len);
	free(out);
}

static void send_noise(struct fake_server *server)
{
	uint8_t noise[5000];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 193 + 7);
	send_all(server, noise, sizeof(noise));
}

static void send_half(struct fake_server *server, struct wire_header header,
		      const void *body)
{
	uint8_t out[WIRE_HEADER_BYTES];

	wire_put_header(out, &header);
	send_all(server, out, sizeof(out));
	send_all(server, body, header.body_bytes / 2);
	server->hang_up = true;
}

static void send_raw(struct fake_server *server, struct wire_header header,
		     size_t at, uint8_t value)
{
	uint8_t out[WIRE_HEADER_BYTES];

	wire_put_header(out, &header);
	memset(out + at, value, at < 4 ? 1 : 4);
	send_all(server, out, sizeof(out));
}

/* Answer with @body, or with what the options want instead. */
static void reply(struct fake_server *server, enum fake_garbage garbage,
		  struct wire_header header, const void *body)
{
	static const uint8_t words[WIRE_WHY_MAX + 1];

	switch (garbage) {
	case FAKE_SOUND:
		break;
	case FAKE_BAD_MAGIC:
		send_raw(server, header, 0, 0xff);
		return;
	case FAKE_BAD_TYPE:
		header.type = WIRE_STATUS;
		break;
	case FAKE_NO_REPLY_BIT:
		header.flags = 0;
		break;
	case FAKE_FAR:
		header.flags |= WIRE_FAR;
		break;
	case FAKE_UNKNOWN_ID:
		header.id ^= 0x00770000;
		break;
	case FAKE_STALE_ID:
		header.id = server->answered_id;
		break;
	case FAKE_SHORT:
		header.body_bytes = 8;
		break;
	case FAKE_BAD_LENGTH:
		header.body_bytes--;
		break;
	case FAKE_LONG_WORDS:
		header.status = -EPERM;
		header.body_bytes = sizeof(words);
		body = words;
		break;
	case FAKE_HUGE_BODY:
		send_raw(server, header, 16, 0xff);
		return;
	case FAKE_CUT:
		send_half(server, header, body);
		return;
	case FAKE_SILENT:
		return;
	case FAKE_NOISE:
		send_noise(server);
		return;
	}
	send_frame(server, header, body);
}

static void refuse(struct fake_server *server, enum fake_garbage garbage,
		   struct wire_header header, int status)
{
	header.status = status;
	header.body_bytes = (uint32_t)strlen(fake_server_words);
	reply(server, garbage, header, fake_server_words);
}

static void answer_hello(struct fake_server *server, struct wire_header header)
{
	struct wire_hello hello = {.version = WIRE_VERSION,
				   .read_max_bytes = WIRE_READ_MAX};
	uint8_t body[WIRE_REQUEST_MAX];

	if (server->options.hello_status) {
		refuse(server, server->options.hello, header,
		       server->options.hello_status);
		return;
	}
	if (server->options.version)
		hello.version = server->options.version;
	header.body_bytes = (uint32_t)wire_put_hello(body, &hello);
	reply(server, server->options.hello, header, body);
}

static void answer_open(struct fake_server *server, struct wire_header header)
{
	const struct wire_opened opened = {77, 600};
	uint32_t desc_bytes = server->options.desc_bytes;
	uint8_t *body;
	size_t head;

	if (server->options.open_status) {
		refuse(server, server->options.open, header,
		       server->options.open_status);
		return;
	}
	if (!desc_bytes)
		desc_bytes = sizeof(fake_server_desc);
	body = malloc(WIRE_REQUEST_MAX + desc_bytes);
	head = wire_put_opened(body, &opened);
	pattern_fill(9, 0, body + head, desc_bytes);
	if (!server->options.desc_bytes)
		memcpy(body + head, fake_server_desc, desc_bytes);
	header.body_bytes = (uint32_t)head + desc_bytes;
	reply(server, server->options.open, header, body);
	free(body);
}

static void answer_read(struct fake_server *server, struct wire_header header,
			const uint8_t *request)
{
	const struct fake_server_options *options = &server->options;
	enum fake_garbage garbage = FAKE_SOUND;
	struct wire_read read;
	uint8_t *body;

	if (wire_get_read(request, header.body_bytes, &read) ||
	    read.handle != 77) {
		server->hang_up = true;
		return;
	}
	if (server->nr_reads++ >= options->garbage_after)
		garbage = options->read;
	if (options->fail_every &&
	    server->nr_reads % options->fail_every == 0) {
		header.status = options->fail_status;
		header.body_bytes = 5;
		reply(server, garbage, header, "words");
		return;
	}
	body = malloc(read.len_bytes);
	pattern_fill(read.object, read.raddr, body, read.len_bytes);
	header.body_bytes = read.len_bytes;
	reply(server, garbage, header, body);
	free(body);
	if (server->nr_reads == 1)
		server->answered_id = header.id;
	if (options->break_after && server->nr_reads >= options->break_after)
		server->hang_up = true;
}

static void answer(struct fake_server *server, const struct todo *todo)
{
	struct wire_header header = {.type = todo->header.type,
				     .flags = WIRE_REPLY,
				     .id = todo->header.id};

	if (server->hang_up)
		return;
	if (header.type == WIRE_READ) {
		header.body_bytes = todo->header.body_bytes;
		answer_read(server, header, todo->body);
	} else if (header.type == WIRE_HELLO) {
		answer_hello(server, header);
	} else if (header.type == WIRE_OPEN) {
		answer_open(server, header);
	} else if (server->options.other_status) {
		refuse(server, FAKE_SOUND, header,
		       server->options.other_status);
	} else {
		header.body_bytes = todo->header.body_bytes; /* an echo */
		reply(server, FAKE_SOUND, header, todo->body);
	}
}

/* Answer what is due, in reversed groups.  Returns ms to the next, or -1. */
static int answer_due(struct fake_server *server)
{
	unsigned group = server->options.reorder ? server->options.reorder : 1;
	uint64_t now = io_monotonic_ns();
	unsigned nr_due = 0;

	while (nr_due < server->nr_todo && server->todo[nr_due].due_ns <= now)
		nr_due++;
	for (unsigned first = 0; first < nr_due; first += group) {
		unsigned end = first + group < nr_due ? first + group : nr_due;

		for (unsigned at = end; at-- > first;)
			answer(server, &server->todo[at]);
	}
	server->nr_todo -= nr_due;
	memmove(server->todo, server->todo + nr_due,
		server->nr_todo * sizeof(server->todo[0]));
	if (!server->nr_todo)
		return -1;
	return (int)((server->todo[0].due_ns - now) / 1000000) + 1;
}

/* ---- receiving ---- */

static void parse(struct fake_server *server)
{
	size_t at = 0;

	while (server->input_bytes - at >= WIRE_HEADER_BYTES &&
	       server->nr_todo < TODO_MAX) {
		struct todo *todo = &server->todo[server->nr_todo];

		if (wire_get_header(server->input + at, sizeof(todo->body),
				    &todo->header)) {
			server->hang_up = true;
			return;
		}
		if (server->input_bytes - at <
		    WIRE_HEADER_BYTES + todo->header.body_bytes)
			break;
		memcpy(todo->body, server->input + at + WIRE_HEADER_BYTES,
		       todo->header.body_bytes);
		todo->due_ns = 0;
		if (todo->header.type == WIRE_READ && server->options.delay_ns)
			todo->due_ns =
				io_monotonic_ns() + server->options.delay_ns;
		at += WIRE_HEADER_BYTES + todo->header.body_bytes;
		server->nr_todo++;
	}
	server->input_bytes -= at;
	memmove(server->input, server->input + at, server->input_bytes);
}

/* Receive once; 0 when nothing was there. */
static size_t recv_some(struct fake_server *server, void *to, size_t room)
{
	ssize_t n = recv(server->fd, to, room, MSG_DONTWAIT);

	if (!n || (n < 0 && errno != EAGAIN))
		server->hang_up = true;
	return n > 0 ? (size_t)n : 0;
}

static void take_decrypted(struct fake_server *server)
{
	ssize_t n;

	do {
		n = tls_get(server->tls, server->input + server->input_bytes,
			    INPUT_MAX - server->input_bytes);
		if (n > 0)
			server->input_bytes += (size_t)n;
		parse(server);
	} while (n > 0);
	if (n != -EAGAIN)
		server->hang_up = true;
}

static void take_tls(struct fake_server *server)
{
	size_t room;
	void *in = tls_room(server->tls, &room);

	tls_came(server->tls, recv_some(server, in, room));
	take_decrypted(server);
}

static void take_input(struct fake_server *server)
{
	if (server->tls) {
		take_tls(server);
		return;
	}
	server->input_bytes +=
		recv_some(server, server->input + server->input_bytes,
			  INPUT_MAX - server->input_bytes);
	parse(server);
}

/* Shake hands, waiting. */
static void greet(struct fake_server *server)
{
	struct pollfd fd = {server->fd, POLLIN, 0};
	char why[WIRE_WHY_MAX + 1];
	int r = tls_new_server(server->options.psk_file, &server->tls);

	while (!r && (r = tls_greet(server->tls, why)) == -EAGAIN) {
		size_t room;
		void *in = tls_room(server->tls, &room);

		send_out(server);
		r = poll(&fd, 1, 5000) == 1 ? 0 : -ETIMEDOUT;
		tls_came(server->tls, recv_some(server, in, room));
		if (server->hang_up)
			r = -ECONNRESET;
	}
	if (server->tls)
		send_out(server);
	server->hang_up = r != 0;
	if (!r)
		take_decrypted(server); /* what came with the last of it */
}

/* Serve one connection to its end.  False: the server must stop. */
static bool serve_one(struct fake_server *server)
{
	struct pollfd fds[2] = {{server->fd, POLLIN, 0},
				{server->stop_fds[0], POLLIN, 0}};
	bool stop = false;

	server->nr_todo = server->nr_reads = 0;
	server->input_bytes = 0;
	server->hang_up = false;
	if (server->options.psk_file)
		greet(server);
	while (!server->hang_up && !stop) {
		int timeout_ms = answer_due(server);

		if (server->hang_up)
			break;
		(void)poll(fds, 2, timeout_ms);
		stop = fds[1].revents != 0;
		if (fds[0].revents)
			take_input(server);
	}
	return !stop;
}

static void *server_main(void *arg)
{
	struct fake_server *server = arg;
	struct pollfd fds[2] = {{server->listen_fd, POLLIN, 0},
				{server->stop_fds[0], POLLIN, 0}};
	bool more = true;

	while (more && poll(fds, 2, -1) > 0 && !fds[1].revents) {
		int one = 1,
		    fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
		server->fd = fd;
		more = serve_one(server);
		tls_free(server->tls);
		server->tls = NULL;
		(void)close(fd);
	}
	return NULL;
}

/* ---- life ---- */

static int listen_unix(struct fake_server *server)
{
	static unsigned nr;
	struct sockaddr_un *address = &server->unix_address;

	address->sun_family = AF_UNIX;
	(void)snprintf(address->sun_path, sizeof(address->sun_path),
		       "/tmp/fake-server-%d-%u.sock", (int)getpid(), nr++);
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->listen_fd, (struct sockaddr *)address,
		 sizeof(*address)))
		return -errno;
	return listen(server->listen_fd, 8) ? -errno : 0;
}

static int listen_tcp(struct fake_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);

	server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->listen_fd, (struct sockaddr *)&address,
		 sizeof(address)) ||
	    getsockname(server->listen_fd, (struct sockaddr *)&address, &len))
		return -errno;
	server->port = ntohs(address.sin_port);
	return listen(server->listen_fd, 8) ? -errno : 0;
}

struct fake_server *fake_server_start(const struct fake_server_options *options)
{
	struct fake_server *server = calloc(1, sizeof(*server));

	server->options = *options;
	if ((options->is_unix ? listen_unix(server) : listen_tcp(server)) ||
	    pipe(server->stop_fds) ||
	    pthread_create(&server->thread, NULL, server_main, server)) {
		free(server);
		return NULL;
	}
	return server;
}

struct tcp_address fake_server_address(const struct fake_server *server)
{
	struct tcp_address address = {.is_unix = server->options.is_unix,
				      .port = server->port,
				      .timeout_ms = 5000};

	(void)snprintf(address.host, sizeof(address.host), "%s",
		       address.is_unix ? server->unix_address.sun_path
				       : "127.0.0.1");
	return address;
}

void fake_server_stop(struct fake_server *server)
{
	(void)close(server->stop_fds[1]);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->stop_fds[0]);
	(void)close(server->listen_fd);
	if (server->options.is_unix)
		(void)unlink(server->unix_address.sun_path);
	free(server);
}
