/* SPDX-License-Identifier: MIT */
/*
 * serve.c - clients on one side, children on the other
 */
#include "loader/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/jump.h"
#include "loader/serve_children.h"
#include "loader/serve_client.h"
#include "loader/serve_image.h"
#include "loader/signals.h"

#define CLIENTS_SPARE 16u	   /* beside one for each child */
#define FIRST_POLLS   2		   /* the signals, the listener */
#define DEAF_NS	      100000000ull /* after a connection that we cannot take */
#define NS_PER_MS     1000000ull

struct serve {
	const struct serve_options *options;
	struct serve_image *images;
	struct serve_children children;
	struct serve_client **clients;
	unsigned nr_clients, max_clients;
	uint64_t deaf_ns; /* CLOCK_MONOTONIC: until then nobody is met */
	struct pollfd *polls;
	int signals;
	int ended_by;  /* a signal, or 0 */
	uint8_t *room; /* for a body */
};

int serve_prepare(struct load *load, struct why *ret_slow, struct why *why)
{
	int error;

	(void)load_lay(load, ret_slow);
	error = jump_prepare(load->plan);

	return error ? why_set(why, error,
			       "%s: laying out the child's first code: %s",
			       load->dir->path, strerror(-error))
		     : 0;
}

static int take_request(struct serve *serve, struct serve_client *client,
			struct why *why)
{
	const struct ask_message *message = &client->request;
	struct serve_image *image;
	int error = ask_decode(message->received, message->head.body_bytes,
			       message->nr_fds, &client->ask);

	if (error)
		return why_set(why, error, "not a request of this version");
	image = serve_image_find(serve->images, serve->options->nr_loads,
				 client->ask.image, why);
	if (!image)
		return -ENOENT;
	error = serve_client_choose(client, image->load, why);
	return error ? error
		     : serve_children_start(&serve->children, client, image,
					    why);
}

static void answer(struct serve *serve, struct serve_client *client)
{
	struct why why = {""};
	int error = take_request(serve, client, &why);

	(void)why_set(&why, error, "%s", strerror(-error));
	if (error)
		serve_children_refuse(&serve->children, client, error,
				      why.text);
}

/* What its client leaves behind ends, unless it was told to stay. */
static void leave(struct serve *serve, struct serve_client *client)
{
	serve_client_cut(client);
	if (!client->started || !client->ask.linger)
		serve_children_kill(&serve->children, client);
}

static void hear(struct serve *serve, struct serve_client *client)
{
	int signo;

	switch (serve_client_hear(client, serve->room, &signo)) {
	case SERVE_HEARD_PART:
		return;
	case SERVE_HEARD_REQUEST:
		answer(serve, client);
		return;
	case SERVE_HEARD_SIGNAL:
		serve_children_signal(&serve->children, client, signo);
		return;
	case SERVE_HEARD_END:
		leave(serve, client);
		return;
	}
}

static void meet(struct serve *serve)
{
	int sock = accept4(serve->options->listener, NULL, NULL, SOCK_CLOEXEC);
	struct serve_client *client;

	/* Who is not taken stays: the listener would be ready all the time. */
	if (sock < 0 && errno != EAGAIN)
		serve->deaf_ns = io_monotonic_ns() + DEAF_NS;
	if (sock < 0)
		return;
	client = serve_client_new(sock);
	if (client)
		serve->clients[serve->nr_clients++] = client;
}

/* Those that were cut off meanwhile leave, too. */
static void part(struct serve *serve)
{
	for (unsigned i = 0; i < serve->nr_clients;) {
		struct serve_client *client = serve->clients[i];

		if (client->sock < 0 && client->nr_live)
			leave(serve, client);
		if (client->sock >= 0 || client->nr_untold) {
			i++;
			continue;
		}
		serve_client_leave(client);
		serve->clients[i] = serve->clients[--serve->nr_clients];
	}
}

static void reaped(struct serve *serve, pid_t pid, int status)
{
	if (serve_children_reaped(&serve->children, pid, status))
		return;
	for (unsigned i = 0; i < serve->options->nr_loads; i++) {
		struct serve_image *image = &serve->images[i];

		if (image->worlds && worlds_reaped(image->worlds, pid))
			return;
		if (image->watchdog.pid != pid)
			continue;
		image->watchdog.pid = 0;
		serve_children_unguarded(&serve->children, image);
		serve->ended_by = SIGCHLD;
	}
}

static void reap(struct serve *serve)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(serve, pid, status);
}

static bool is_final(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP ||
	       signo == SIGQUIT;
}

static void read_signals(struct serve *serve)
{
	struct signalfd_siginfo info;

	while (read(serve->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(serve);
		if (is_final((int)info.ssi_signo))
			serve->ended_by = (int)info.ssi_signo;
	}
}

/*
 * Who comes when there is no room waits: each client that has no child to be
 * told of goes within its patience.
 */
static bool meets(const struct serve *serve)
{
	return serve->nr_clients < serve->max_clients && !serve->deaf_ns;
}

static unsigned fill_polls(struct serve *serve)
{
	struct pollfd *polls = serve->polls;
	unsigned nr = FIRST_POLLS;

	polls[0] = (struct pollfd){.fd = serve->signals, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = meets(serve) ? serve->options->listener
						      : -1,
				   .events = POLLIN};
	nr += serve_children_polls(&serve->children, polls + nr);
	for (unsigned i = 0; i < serve->nr_clients; i++)
		polls[nr++] = (struct pollfd){.fd = serve->clients[i]->sock,
					      .events = POLLIN};
	return nr;
}

/* How long nobody is met, in ms, or -1. */
static int deaf_ms(struct serve *serve, uint64_t now_ns)
{
	if (now_ns >= serve->deaf_ns)
		serve->deaf_ns = 0;
	return serve->deaf_ns ? (int)((serve->deaf_ns - now_ns) / NS_PER_MS) + 1
			      : -1;
}

/* Cut off who is late; how long to wait for the others, in ms, or -1. */
static int wait_ms(struct serve *serve)
{
	uint64_t now_ns = io_monotonic_ns();
	int least_ms = deaf_ms(serve, now_ns);
	bool has_cut = false;

	for (unsigned i = 0; i < serve->nr_clients; i++) {
		int ms = serve_client_wait_ms(serve->clients[i], now_ns);

		has_cut |= !ms;
		if (!ms)
			serve_client_cut(serve->clients[i]);
		else if (ms > 0 && (least_ms < 0 || ms < least_ms))
			least_ms = ms;
	}
	/* part() with it first */
	return has_cut || serve_children_busy(&serve->children) ? 0 : least_ms;
}

/* No child may come or go before all have been looked at. */
static void turn(struct serve *serve)
{
	int timeout_ms = wait_ms(serve);
	unsigned nr = fill_polls(serve), at = FIRST_POLLS;
	unsigned nr_clients = serve->nr_clients;

	(void)poll(serve->polls, nr, timeout_ms);
	at += serve_children_step(&serve->children, serve->polls + at);
	for (unsigned i = 0; i < nr_clients; i++)
		if (serve->polls[at + i].revents &&
		    serve->clients[i]->sock >= 0)
			hear(serve, serve->clients[i]);
	if (serve->polls[0].revents)
		read_signals(serve);
	if (serve->polls[1].revents)
		meet(serve);
	part(serve);
}

static int prepare(struct serve *serve, struct why *why)
{
	const struct serve_options *options = serve->options;
	sigset_t all;
	int error = 0;

	signals_all(&all);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would take statuses */
	serve->max_clients = options->max + CLIENTS_SPARE;
	error = serve_children_init(&serve->children, options->max);
	serve->images = calloc(options->nr_loads, sizeof(*serve->images));
	serve->clients = calloc(serve->max_clients, sizeof(*serve->clients));
	serve->polls =
		calloc(FIRST_POLLS + serve->children.nr_places * CHARGE_POLLS +
			       serve->max_clients,
		       sizeof(*serve->polls));
	serve->room = malloc(ASK_BODY_MAX + 1);
	serve->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (error || !serve->images || !serve->clients || !serve->polls ||
	    !serve->room || serve->signals < 0)
		return -ENOMEM;
	for (unsigned i = 0; !error && i < options->nr_loads; i++)
		error = serve_image_open(&serve->images[i], options->loads[i],
					 options->max,
					 serve->children.nr_places, why);
	return error;
}

/* Each client hears how its children ended. */
static void end_children(struct serve *serve)
{
	serve_children_kill(&serve->children, NULL);
	while (serve_children_any(&serve->children)) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0)
			break;
		reaped(serve, pid, status);
	}
}

static void done(struct serve *serve)
{
	serve_children_done(&serve->children);
	for (unsigned i = 0; i < serve->nr_clients; i++)
		serve_client_free(serve->clients[i]);
	for (unsigned i = 0; serve->images && i < serve->options->nr_loads; i++)
		serve_image_close(&serve->images[i]);
	cleanup_close(&serve->signals);
	free(serve->images);
	free(serve->clients);
	free(serve->polls);
	free(serve->room);
}

int serve_run(const struct serve_options *options, struct why *why)
{
	struct serve serve = {.options = options, .signals = -1};
	int error = prepare(&serve, why);

	if (!error) {
		options->ready(options->data);
		while (!serve.ended_by)
			turn(&serve);
		end_children(&serve);
		if (serve.ended_by == SIGCHLD)
			error = why_set(why, -ECHILD, "the watchdog ended");
	}
	done(&serve);
	return error ? why_set(why, error, "serving: %s", strerror(-error)) : 0;
}
