/* SPDX-License-Identifier: MIT */
/*
 * serve.c - clients on one side, charges on the other
 */
#include "loader/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "loader/charge.h"
#include "loader/jump.h"
#include "loader/nspace.h"
#include "loader/serve_client.h"
#include "loader/watchdog.h"
#include "loader/worlds.h"

#define CLIENTS_SPARE 16u /* beside one for each child */
#define SPARE_FDS     16  /* one child's, while it is made */
#define FIRST_POLLS   2	  /* the signals, the listener */

struct serve_image {
	const struct load *load;
	struct worlds *worlds;	  /* NULL: its children have no init */
	struct watchdog watchdog; /* of those */
};

struct serve_child {
	struct charge charge; /* CHARGE_NONE: a free place */
	struct serve_client *client;
	struct serve_image *image;
	uint32_t index; /* among the client's */
	bool runs, told;
};

struct serve {
	const struct serve_options *options;
	struct serve_image *images;
	struct serve_child *children;
	unsigned nr_places; /* for children, and worlds that still end */
	struct serve_client **clients;
	unsigned nr_clients, max_clients;
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

static bool is_free(const struct serve_child *child)
{
	return child->charge.state == CHARGE_NONE;
}

static struct serve_child *free_child(const struct serve *serve)
{
	for (unsigned i = 0; i < serve->nr_places; i++)
		if (is_free(&serve->children[i]))
			return &serve->children[i];
	return NULL;
}

/* Children whose end has not been told. */
static unsigned nr_there(const struct serve *serve)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < serve->nr_places; i++)
		nr += !is_free(&serve->children[i]) && !serve->children[i].told;
	return nr;
}

static bool any_left(const struct serve *serve)
{
	for (unsigned i = 0; i < serve->nr_places; i++)
		if (serve->children[i].charge.pid > 0)
			return true;
	return false;
}

static struct serve_image *image_of(const struct serve *serve, const char *name)
{
	const struct serve_options *options = serve->options;

	if (!name[0] && options->nr_loads == 1)
		return &serve->images[0];
	for (unsigned i = 0; i < options->nr_loads; i++)
		if (!strcmp(options->loads[i]->options->dir, name))
			return &serve->images[i];
	return NULL;
}

/*
 * The child's place is over, when nothing of it is left.  The load that the
 * charge knows goes with its client.
 */
static void free_place(struct serve_child *child)
{
	struct serve_client *client = child->client;

	charge_done(&child->charge);
	*child = (struct serve_child){0};
	client->nr_live--;
}

static void kill_child(const struct serve_child *child)
{
	const struct charge *charge = &child->charge;

	if (charge->pid > 0)
		(void)kill(charge->pid, SIGKILL);
}

static void kill_children(const struct serve *serve,
			  const struct serve_client *client)
{
	for (unsigned i = 0; i < serve->nr_places; i++) {
		const struct serve_child *child = &serve->children[i];

		if (is_free(child) || (client && child->client != client))
			continue;
		kill_child(child);
	}
}

/* Words are told once, and before all else there is to say. */
static void refuse(struct serve *serve, struct serve_client *client, int error,
		   const char *words)
{
	if (!client->over)
		serve_client_tell_words(client, ASK_REFUSED, error, words);
	client->over = true;
	/* Whoever reads a pipe of them must see its end. */
	serve_client_drop_fds(client);
	kill_children(serve, client);
}

/* Our descriptors must stay below those of any child. */
static bool has_fds(const struct load *load)
{
	CLEANUP_CLOSE int next = fcntl(0, F_DUPFD_CLOEXEC, 0);

	return next >= 0 && next + SPARE_FDS < load->facts.fd_base;
}

static int start_child(struct serve_client *client, struct serve_child *child,
		       struct why *why)
{
	struct serve_image *image = child->image;
	struct charge_options options = {
		.load = &client->load,
		.watchdog = image->watchdog.sock,
		.terminal =
			client->ask.has_terminal ? client->request.fds[3] : -1,
	};
	int error = 0;

	memcpy(options.stdio, client->request.fds, sizeof(options.stdio));
	if (!has_fds(image->load))
		error = why_set(why, -EMFILE, "too many descriptors are open");
	if (!error && image->worlds)
		error = worlds_take(image->worlds, &options.world, why);
	else if (!error && !image->load->same_host)
		error = nspace_continue_clocks(image->load->dir->image, why);
	if (error)
		return error;
	error = charge_start(&child->charge, &options);
	charge_settle(&child->charge);
	if (error)
		(void)why_set(why, error, "%s", child->charge.why.text);
	if (child->charge.pid <= 0) {
		charge_done(&child->charge); /* nothing was begun */
		return error;
	}
	client->nr_live++;
	client->nr_loading++;
	return error;
}

static int start_children(struct serve *serve, struct serve_client *client,
			  struct serve_image *image, struct why *why)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < client->ask.nr_children; i++) {
		struct serve_child *child = free_child(serve);

		if (!child)
			return why_set(why, -EAGAIN,
				       "earlier children are still ending");
		*child = (struct serve_child){
			.client = client,
			.image = image,
			.index = i,
		};
		error = start_child(client, child, why);
	}
	if (image->worlds)
		worlds_ahead(image->worlds);
	return error;
}

static int take_request(struct serve *serve, struct serve_client *client,
			struct ask_message *message, struct why *why)
{
	struct serve_image *image;
	int error;

	client->request = *message;
	error = ask_decode(message->received, message->head.body_bytes,
			   message->nr_fds, &client->ask);
	if (error)
		return why_set(why, error, "not a request of this version");
	image = image_of(serve, client->ask.image);
	if (!image)
		return why_set(why, -ENOENT,
			       client->ask.image[0]
				       ? "no such image is served here: %.300s"
				       : "say which of the images%s",
			       client->ask.image);
	if (client->ask.nr_children + nr_there(serve) > serve->options->max)
		return why_set(why, -EAGAIN,
			       "%u of %u children are there already: ask for "
			       "fewer, or serve with a higher --max",
			       nr_there(serve), serve->options->max);
	error = serve_client_choose(client, image->load, why);
	return error ? error : start_children(serve, client, image, why);
}

static void signal_children(const struct serve *serve,
			    const struct serve_client *client, int signo)
{
	for (unsigned i = 0; i < serve->nr_places; i++)
		if (!is_free(&serve->children[i]) &&
		    serve->children[i].client == client)
			charge_signal(&serve->children[i].charge, signo);
}

/* What its client leaves behind ends, unless it was told to stay. */
static void leave(struct serve *serve, struct serve_client *client)
{
	serve_client_cut(client);
	if (!client->started || !client->ask.linger)
		kill_children(serve, client);
}

static void hear(struct serve *serve, struct serve_client *client)
{
	struct ask_message message;
	struct why why = {""};
	int error = ask_receive(client->sock, true, serve->room, &message);

	if (error) {
		leave(serve, client);
		return;
	}
	if (message.head.type == ASK_SIGNAL) {
		ask_close_fds(&message);
		signal_children(serve, client, message.head.value);
		return;
	}
	if (client->asked) {
		ask_close_fds(&message);
		leave(serve, client);
		return;
	}
	client->asked = true;
	error = take_request(serve, client, &message, &why);
	(void)why_set(&why, error, "%s", strerror(-error));
	if (error)
		refuse(serve, client, error, why.text);
}

static void meet(struct serve *serve)
{
	int sock = accept4(serve->options->listener, NULL, NULL, SOCK_CLOEXEC);
	struct serve_client *client;

	if (sock < 0)
		return;
	if (serve->nr_clients == serve->max_clients) {
		(void)close(sock);
		return;
	}
	client = serve_client_new(sock);
	if (client)
		serve->clients[serve->nr_clients++] = client;
}

static void part(struct serve *serve)
{
	for (unsigned i = 0; i < serve->nr_clients;) {
		struct serve_client *client = serve->clients[i];

		if (client->sock >= 0 || client->nr_live) {
			i++;
			continue;
		}
		serve_client_free(client);
		serve->clients[i] = serve->clients[--serve->nr_clients];
	}
}

static void now_runs(struct serve_child *child)
{
	struct serve_client *client = child->client;

	child->runs = true;
	if (client->ask.wants_pids)
		serve_client_tell_pid(client, child->index,
				      child->charge.pidfd);
	if (--client->nr_loading || client->over)
		return;
	serve_client_drop_fds(client);
	serve_client_tell(client, ASK_STARTED, 0, 0);
	client->over = client->started = true;
}

static void has_ended(struct serve *serve, struct serve_child *child)
{
	const struct charge *charge = &child->charge;
	struct serve_client *client = child->client;

	child->told = true;
	if (!child->runs)
		client->nr_loading--;
	if (charge->killed)
		serve_client_tell_words(client, ASK_KILLED, 0,
					charge->why.text);
	if (!client->over && !child->runs)
		refuse(serve, client, -ECHILD, charge->why.text);
	serve_client_tell(client, ASK_ENDED, child->index, charge->status);
}

/* Without an init what it left running goes on, and asks the same guard. */
static bool is_over(const struct serve_child *child)
{
	const struct charge *charge = &child->charge;

	return child->told && !charge->pid && (charge->init || !charge->guard);
}

/* What became of @child since the last turn. */
static void look_at(struct serve *serve, struct serve_child *child)
{
	struct charge *charge = &child->charge;

	if (!child->runs && charge->state == CHARGE_RUNNING)
		now_runs(child);
	if (!child->told && charge->state == CHARGE_ENDED) {
		/* It was quick: it ran and ended in one turn. */
		if (!child->runs && !charge->why.text[0])
			now_runs(child);
		has_ended(serve, child);
	}
	/* Its init may have been killed since it said so. */
	if (charge->empty && child->told && charge->pid)
		worlds_give(child->image->worlds, charge_take_world(charge));
	if (is_over(child))
		free_place(child);
}

static void step(struct serve *serve, struct serve_child *child,
		 const struct pollfd *polls)
{
	int stopped = charge_step(&child->charge, polls);

	if (stopped)
		serve_client_tell(child->client, ASK_STOPPED, child->index,
				  stopped);
	look_at(serve, child);
}

static void watchdog_ended(struct serve *serve, struct serve_image *image)
{
	image->watchdog.pid = 0;
	for (unsigned i = 0; i < serve->nr_places; i++)
		if (!is_free(&serve->children[i]) &&
		    serve->children[i].image == image)
			charge_kill(&serve->children[i].charge,
				    "its watchdog ended");
	serve->ended_by = SIGCHLD;
}

static void reaped(struct serve *serve, pid_t pid, int status)
{
	for (unsigned i = 0; i < serve->nr_places; i++) {
		struct serve_child *child = &serve->children[i];

		if (is_free(child) || child->charge.pid != pid)
			continue;
		charge_reaped(&child->charge, status, NULL);
		look_at(serve, child);
		return;
	}
	for (unsigned i = 0; i < serve->options->nr_loads; i++) {
		struct serve_image *image = &serve->images[i];

		if (image->worlds && worlds_reaped(image->worlds, pid))
			return;
		if (image->watchdog.pid == pid)
			watchdog_ended(serve, image);
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

static unsigned fill_polls(struct serve *serve)
{
	struct pollfd *polls = serve->polls;
	unsigned nr = FIRST_POLLS;

	polls[0] = (struct pollfd){.fd = serve->signals, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = serve->options->listener,
				   .events = POLLIN};
	for (unsigned i = 0; i < serve->nr_places; i++) {
		if (is_free(&serve->children[i]))
			continue;
		charge_polls(&serve->children[i].charge, polls + nr);
		nr += CHARGE_POLLS;
	}
	for (unsigned i = 0; i < serve->nr_clients; i++)
		polls[nr++] = (struct pollfd){.fd = serve->clients[i]->sock,
					      .events = POLLIN};
	return nr;
}

/* No child may come or go before all have been looked at. */
static void turn(struct serve *serve)
{
	unsigned nr = fill_polls(serve), at = FIRST_POLLS;
	unsigned nr_clients = serve->nr_clients;

	(void)poll(serve->polls, nr, -1);
	for (unsigned i = 0; i < serve->nr_places; i++) {
		if (is_free(&serve->children[i]))
			continue;
		step(serve, &serve->children[i], serve->polls + at);
		at += CHARGE_POLLS;
	}
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

static int open_image(struct serve *serve, unsigned i, struct why *why)
{
	struct serve_image *image = &serve->images[i];
	int error;

	image->load = serve->options->loads[i];
	image->watchdog = (struct watchdog){.sock = -1, .far = -1};
	if (!image->load->direct) {
		image->worlds = worlds_open(image->load, serve->options->max);
		if (!image->worlds)
			return -ENOMEM;
		worlds_ahead(image->worlds);
		return 0;
	}
	if (!image->load->plan->nr_windows && !image->load->plan->nr_paged)
		return 0;
	error = watchdog_open(&image->watchdog);
	if (!error)
		error = watchdog_start(&image->watchdog, serve->nr_places);
	return error ? why_set(why, error, "starting the watchdog: %s",
			       strerror(-error))
		     : 0;
}

static int prepare(struct serve *serve, struct why *why)
{
	const struct serve_options *options = serve->options;
	sigset_t all;
	int error = 0;

	(void)sigfillset(&all);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would take statuses */
	serve->max_clients = options->max + CLIENTS_SPARE;
	serve->nr_places = 2 * options->max;
	serve->images = calloc(options->nr_loads, sizeof(*serve->images));
	serve->children = calloc(serve->nr_places, sizeof(*serve->children));
	serve->clients = calloc(serve->max_clients, sizeof(*serve->clients));
	serve->polls = calloc(FIRST_POLLS + serve->nr_places * CHARGE_POLLS +
				      serve->max_clients,
			      sizeof(*serve->polls));
	serve->room = malloc(ASK_BODY_MAX + 1);
	serve->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!serve->images || !serve->children || !serve->clients ||
	    !serve->polls || !serve->room || serve->signals < 0)
		return -ENOMEM;
	for (unsigned i = 0; !error && i < options->nr_loads; i++)
		error = open_image(serve, i, why);
	return error;
}

/* Each client hears how its children ended. */
static void end_children(struct serve *serve)
{
	kill_children(serve, NULL);
	while (any_left(serve)) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0)
			break;
		reaped(serve, pid, status);
	}
}

static void done(struct serve *serve)
{
	for (unsigned i = 0; i < serve->nr_clients; i++)
		serve_client_free(serve->clients[i]);
	for (unsigned i = 0; serve->images && i < serve->options->nr_loads;
	     i++) {
		worlds_close(serve->images[i].worlds);
		watchdog_stop(&serve->images[i].watchdog);
	}
	cleanup_close(&serve->signals);
	free(serve->images);
	free(serve->children);
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
