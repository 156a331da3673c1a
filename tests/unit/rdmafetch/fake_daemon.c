/* SPDX-License-Identifier: MIT */
/* fake_daemon.c - see fake_daemon.h */
#include "fake_daemon.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rdmafetch/loop.h"
#include "rdmafetch/psk.h"

#define WAITING_MAX 64

enum command { CMD_STOP = 1, CMD_ANSWER, CMD_STATS };

struct fake_daemon {
	pthread_t thread;
	struct serve_options options;
	struct page_source source;
	struct loop *loop;
	struct tcp_serve *serve;
	struct verbs_serve *verbs;
	const char *rdma_address; /* NULL: no RDMA */
	const char *psk_file;	  /* NULL: no TLS */
	char tls_name[PSK_NAME_MAX + 1];
	uint16_t rdma_port;
	struct loop_watch *watch;
	struct loop_work count; /* of the loop's turns */
	atomic_uint nr_turns;
	int tcp_fd, unix_fd, command_fd, done_fd;
	char path[64];
	int path_fd;
	uint16_t port;
	atomic_bool gone;
	atomic_int command;
	struct serve_ticket waiting[WAITING_MAX];
	unsigned nr_waiting, nr_answered;
	struct serve_stats stats, rdma_stats;
};

uint64_t fake_word(uint32_t object, uint64_t raddr)
{
	return (raddr + object + 1) * 0x9e3779b97f4a7c15ull;
}

uint8_t fake_desc_byte(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 12));
}

static int fake_read(struct page_source *source, uint32_t object,
		     uint64_t raddr, void *buf, size_t len_bytes)
{
	uint8_t *out = buf;

	for (size_t at = 0; at < len_bytes; at += 8) {
		uint64_t word = fake_word(object, raddr + at);
		size_t n = len_bytes - at < 8 ? len_bytes - at : 8;

		if (raddr + at == FAKE_BAD_RADDR)
			return -EIO;
		memcpy(out + at, &word, n);
	}
	return 0;
}

static int fake_join(void *arg, const struct serve_origin *origin,
		     void **ret_session, char *why)
{
	struct fake_daemon *daemon = arg;

	(void)snprintf(daemon->tls_name, sizeof(daemon->tls_name), "%s",
		       origin->tls_name ? origin->tls_name : "");
	*ret_session = arg;
	return 0;
}

static void fake_leave(void *session)
{
}

static void give_desc(struct fake_daemon *daemon,
		      const struct serve_ticket *ticket)
{
	const struct wire_opened opened = {.handle = 7, .lease_s = 600};
	uint8_t *desc = malloc(FAKE_DESC_BYTES), body[WIRE_REQUEST_MAX];
	const struct serve_tail tail = {desc, FAKE_DESC_BYTES, free, desc};

	assert(desc);
	for (size_t i = 0; i < FAKE_DESC_BYTES; i++)
		desc[i] = fake_desc_byte(i);
	(void)serve_answer_tail(ticket, body, wire_put_opened(body, &opened),
				&tail);
}

/* Of "plain" there is none, as a daemon says that keeps none. */
static void give_trace(const struct serve_ticket *ticket, const uint8_t *body,
		       size_t body_bytes)
{
	struct wire_image image;

	if (wire_get_image(body, body_bytes, &image) ||
	    !strcmp(image.name, "plain"))
		(void)serve_refuse(ticket, -EOPNOTSUPP, "no traces here");
	else
		(void)serve_answer(ticket, FAKE_TRACE, sizeof(FAKE_TRACE));
}

static void fake_request(void *session, const struct serve_ticket *ticket,
			 const uint8_t *body, size_t body_bytes)
{
	struct fake_daemon *daemon = session;
	struct wire_image image;

	if (ticket->type == WIRE_PREPARE) {
		assert(daemon->nr_waiting < WAITING_MAX);
		daemon->waiting[daemon->nr_waiting++] = *ticket;
		return;
	}
	if (ticket->type == WIRE_OPEN &&
	    (wire_get_image(body, body_bytes, &image) ||
	     !strcmp(image.name, "nobody"))) {
		(void)serve_refuse(ticket, -ENOENT,
				   "no image is called nobody");
		return;
	}
	if (ticket->type == WIRE_OPEN)
		give_desc(daemon, ticket);
	else if (ticket->type == WIRE_TRACE)
		give_trace(ticket, body, body_bytes);
	else
		(void)serve_answer(ticket, NULL, 0);
}

static int fake_source(void *session, uint32_t handle,
		       struct page_source **ret_source)
{
	struct fake_daemon *daemon = session;

	if (handle != 7)
		return -EBADF;
	if (daemon->gone)
		return -ESTALE;
	*ret_source = &daemon->source;
	return 0;
}

static const struct serve_ops fake_ops = {
	.join = fake_join,
	.leave = fake_leave,
	.request = fake_request,
	.source = fake_source,
};

static void answer_waiting(struct fake_daemon *daemon)
{
	daemon->nr_answered = 0;
	for (unsigned i = 0; i < daemon->nr_waiting; i++)
		if (!serve_answer(&daemon->waiting[i], "ok", 2))
			daemon->nr_answered++;
	daemon->nr_waiting = 0;
}

static void commanded(void *arg)
{
	struct fake_daemon *daemon = arg;
	uint64_t count;
	int command = daemon->command;

	assert(read(daemon->command_fd, &count, 8) == 8);
	if (command == CMD_STOP)
		loop_stop(daemon->loop, 0);
	else
		assert(!loop_watch(daemon->loop, daemon->command_fd, commanded,
				   daemon, &daemon->watch));
	if (command == CMD_ANSWER)
		answer_waiting(daemon);
	if (command == CMD_STATS)
		tcp_serve_get_stats(daemon->serve, &daemon->stats);
	if (command == CMD_STATS && daemon->verbs)
		verbs_serve_get_stats(daemon->verbs, &daemon->rdma_stats);
	count = 1;
	assert(write(daemon->done_fd, &count, 8) == 8);
}

static void command(struct fake_daemon *daemon, enum command what)
{
	uint64_t one = 1;

	daemon->command = what;
	assert(write(daemon->command_fd, &one, 8) == 8);
	assert(read(daemon->done_fd, &one, 8) == 8);
}

static int count_turn(struct loop_work *work)
{
	struct fake_daemon *daemon =
		(void *)((char *)work - offsetof(struct fake_daemon, count));

	daemon->nr_turns++;
	return 0;
}

static void serve_rdma(struct fake_daemon *daemon)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	assert(inet_pton(AF_INET, daemon->rdma_address, &in.sin_addr) == 1);
	assert(!verbs_serve_open(daemon->loop, &daemon->options, &fake_ops,
				 daemon, &daemon->verbs));
	assert(!verbs_serve_listen(daemon->verbs, (struct sockaddr *)&in,
				   &daemon->rdma_port));
}

static void *serve_thread(void *arg)
{
	struct fake_daemon *daemon = arg;
	uint64_t one = 1;

	assert(!loop_open(256, &daemon->loop));
	daemon->count.run = count_turn;
	loop_add_work(daemon->loop, &daemon->count);
	assert(!tcp_serve_open(daemon->loop, &daemon->options, &fake_ops,
			       daemon, &daemon->serve));
	if (daemon->psk_file)
		tcp_serve_psk(daemon->serve, daemon->psk_file);
	assert(!tcp_serve_listen(daemon->serve, daemon->tcp_fd));
	assert(!tcp_serve_listen(daemon->serve, daemon->unix_fd));
	if (daemon->rdma_address)
		serve_rdma(daemon);
	assert(!loop_watch(daemon->loop, daemon->command_fd, commanded, daemon,
			   &daemon->watch));
	assert(write(daemon->done_fd, &one, 8) == 8);
	assert(!loop_run(daemon->loop));
	tcp_serve_close(daemon->serve);
	verbs_serve_close(daemon->verbs);
	loop_close(daemon->loop);
	return NULL;
}

/*
 * The socket loses its name at once, so that nothing is left over whatever ends
 * the test; it is reached through a descriptor of its inode (proc(5)).
 */
static void listen_unix(struct fake_daemon *daemon)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/fake_daemon.XXXXXX";

	assert(mkdtemp(dir));
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/sock", dir);
	daemon->unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(!bind(daemon->unix_fd, (struct sockaddr *)&un, sizeof(un)));
	assert(!listen(daemon->unix_fd, 64));
	daemon->path_fd = open(un.sun_path, O_PATH | O_CLOEXEC);
	assert(daemon->path_fd >= 0);
	(void)unlink(un.sun_path);
	(void)rmdir(dir);
	(void)snprintf(daemon->path, sizeof(daemon->path), "/proc/self/fd/%d",
		       daemon->path_fd);
}

static void listen_both(struct fake_daemon *daemon)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	daemon->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(!bind(daemon->tcp_fd, (struct sockaddr *)&in, sizeof(in)));
	assert(!listen(daemon->tcp_fd, 64));
	assert(!getsockname(daemon->tcp_fd, (struct sockaddr *)&in, &len));
	daemon->port = ntohs(in.sin_port);
	listen_unix(daemon);
}

static struct fake_daemon *make(const struct serve_options *options)
{
	struct fake_daemon *daemon = calloc(1, sizeof(*daemon));

	assert(daemon);
	daemon->options = options ? *options : serve_defaults;
	daemon->source.read = fake_read;
	daemon->command_fd = eventfd(0, EFD_CLOEXEC);
	daemon->done_fd = eventfd(0, EFD_CLOEXEC);
	listen_both(daemon);
	return daemon;
}

static struct fake_daemon *run(struct fake_daemon *daemon)
{
	uint64_t one;

	assert(!pthread_create(&daemon->thread, NULL, serve_thread, daemon));
	assert(read(daemon->done_fd, &one, 8) == 8);
	return daemon;
}

struct fake_daemon *fake_daemon_start(const struct serve_options *options)
{
	return fake_daemon_start_rdma(options, NULL);
}

struct fake_daemon *fake_daemon_start_rdma(const struct serve_options *options,
					   const char *address)
{
	struct fake_daemon *daemon = make(options);

	daemon->rdma_address = address;
	return run(daemon);
}

struct fake_daemon *fake_daemon_start_psk(const struct serve_options *options,
					  const char *psk_file)
{
	struct fake_daemon *daemon = make(options);

	daemon->psk_file = psk_file;
	return run(daemon);
}

const char *fake_daemon_tls_name(const struct fake_daemon *daemon)
{
	return daemon->tls_name;
}

void fake_daemon_stop(struct fake_daemon *daemon)
{
	command(daemon, CMD_STOP);
	assert(!pthread_join(daemon->thread, NULL));
	(void)close(daemon->command_fd);
	(void)close(daemon->done_fd);
	(void)close(daemon->path_fd);
	free(daemon);
}

uint16_t fake_daemon_port(const struct fake_daemon *daemon)
{
	return daemon->port;
}

const char *fake_daemon_path(const struct fake_daemon *daemon)
{
	return daemon->path;
}

uint16_t fake_daemon_rdma_port(const struct fake_daemon *daemon)
{
	return daemon->rdma_port;
}

void fake_daemon_withdraw(struct fake_daemon *daemon)
{
	daemon->gone = true;
}

unsigned fake_daemon_answer(struct fake_daemon *daemon)
{
	command(daemon, CMD_ANSWER);
	return daemon->nr_answered;
}

unsigned fake_daemon_turns(const struct fake_daemon *daemon)
{
	return daemon->nr_turns;
}

struct serve_stats fake_daemon_stats(struct fake_daemon *daemon)
{
	command(daemon, CMD_STATS);
	return daemon->stats;
}

struct serve_stats fake_daemon_rdma_stats(struct fake_daemon *daemon)
{
	command(daemon, CMD_STATS);
	return daemon->rdma_stats;
}
