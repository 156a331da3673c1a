/* SPDX-License-Identifier: MIT */
#include "tools/load_at.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "loader/ask.h"
#include "loader/pids.h"
#include "loader/signals.h"
#include "loader/supervise.h"

#define SIGNAL_STATUS 128
#define KILLED_STATUS (SIGNAL_STATUS + SIGKILL)

struct at {
	const struct load_at_options *options;
	int sock, signals;
	bool started;
	unsigned nr_ended;
	int status; /* of the first that failed */
	pid_t *pids;
	uint8_t room[ASK_BODY_MAX + 1];
};

static int connect_to(struct at *at, struct why *why)
{
	const char *path = at->options->path;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return why_set(why, -ENAMETOOLONG, "--at=%s: too long", path);
	(void)strcpy(address.sun_path, path);
	at->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (at->sock < 0 ||
	    connect(at->sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	return error ? why_set(why, error,
			       "--at=%s: %s; start one with "
			       "mitosis-load --serve=%s DIR",
			       path, strerror(-error), path)
		     : 0;
}

/* The descriptors of --fd N=M go along; the paths are the server's to open. */
static int choose(const struct at *at, struct ask *ask,
		  struct ask_message *message, struct why *why)
{
	const struct fate_options *fates = at->options->fates;

	for (unsigned i = 0; i < fates->nr_choices; i++) {
		const struct fate_choice *choice = &fates->choices[i];
		int sent = (int)(message->nr_fds - ask_first_choice(ask));

		if (!choice->path && message->nr_fds == ASK_FDS_MAX)
			return why_set(why, -E2BIG,
				       "too many --fd N=M for one socket");
		ask->choices[i] = (struct ask_choice){
			.fd = choice->fd,
			.sent = choice->path ? -1 : sent,
			.path = (char *)choice->path,
		};
		if (!choice->path)
			message->fds[message->nr_fds++] = choice->own_fd;
	}
	return 0;
}

static int send_request(struct at *at, struct ask *ask, int terminal,
			struct why *why)
{
	struct ask_message message = {
		.head = {.type = ASK_CHILDREN},
		.body = at->room,
		.fds = {0, 1, 2, terminal},
		.nr_fds = ask_first_choice(ask),
	};
	size_t len = 0;
	int error = choose(at, ask, &message, why);

	if (!error)
		error = ask_encode(ask, at->room, &len);
	message.head.body_bytes = (uint32_t)len;
	return error ? error : ask_send(at->sock, &message);
}

static int ask_for(struct at *at, struct why *why)
{
	const struct load_at_options *options = at->options;
	CLEANUP_CLOSE int terminal =
		open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	CLEANUP_FREE struct ask_choice *choices =
		calloc(options->fates->nr_choices + 1, sizeof(*choices));
	struct ask ask = {
		.nr_children = options->nr_children,
		.linger = options->detach,
		.wants_pids = options->pid_file,
		.has_terminal = terminal >= 0,
		.image = (char *)options->image,
		.cwd = (char *)options->cwd,
		.root = (char *)options->root,
		.nr_choices = options->fates->nr_choices,
		.nr_ports = options->fates->nr_ports,
		.choices = choices,
		.ports = (struct fate_port *)options->fates->ports,
	};
	int error = choices ? send_request(at, &ask, terminal, why) : -ENOMEM;

	return error ? why_set(why, error, "--at=%s: %s", options->path,
			       strerror(-error))
		     : 0;
}

static void start(struct at *at, int error, const char *words)
{
	struct why why = {""};

	if (!error && at->options->pid_file)
		error = pids_write(at->options->pid_file, at->pids,
				   at->options->nr_children, &why);
	(void)why_set(&why, error, "%s", words);
	at->options->started(at->options->data, error, &why);
	at->started = true;
	if (error)
		at->status = SUPERVISE_NOT_LOADED;
	if (error)
		at->nr_ended = at->options->nr_children;
}

/* Our shell waits for us: stop as the child did, and it gets its prompt. */
static void stop_too(const struct at *at, int signo)
{
	struct ask_message message = {
		.head = {.type = ASK_SIGNAL, .value = SIGCONT},
	};

	if (at->options->nr_children != 1 ||
	    (signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU))
		return;
	(void)kill(getpid(), SIGSTOP);
	(void)ask_send(at->sock, &message);
}

static void take(struct at *at, const struct ask_message *message)
{
	const struct ask_head *head = &message->head;

	switch (head->type) {
	case ASK_PID:
		if (message->nr_fds == 1 &&
		    head->index < at->options->nr_children)
			at->pids[head->index] = pids_of(message->fds[0]);
		break;
	case ASK_STARTED:
		start(at, 0, "");
		break;
	case ASK_REFUSED:
		start(at, head->value < 0 ? head->value : -EPROTO,
		      (const char *)message->received);
		break;
	case ASK_STOPPED:
		stop_too(at, head->value);
		break;
	case ASK_KILLED:
		say_error("%s", (const char *)message->received);
		break;
	case ASK_ENDED:
		at->nr_ended++;
		if (!at->status)
			at->status = head->value;
		break;
	}
}

static void lose(struct at *at)
{
	static const char words[] =
		"the loader that serves has ended, and its children with it";

	if (!at->started)
		start(at, -ECONNRESET, words);
	else
		say_error("--at=%s: %s", at->options->path, words);
	at->nr_ended = at->options->nr_children;
	if (at->status != SUPERVISE_NOT_LOADED)
		at->status = KILLED_STATUS;
}

static void hear(struct at *at)
{
	struct ask_message message;

	if (ask_receive(at->sock, false, at->room, &message)) {
		lose(at);
		return;
	}
	take(at, &message);
	ask_close_fds(&message);
}

static bool is_final(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP ||
	       signo == SIGQUIT;
}

/* Our leaving ends what is on its way. */
static void give_up(struct at *at, int signo)
{
	at->nr_ended = at->options->nr_children;
	at->status = SIGNAL_STATUS + signo;
}

static void pass_on(struct at *at)
{
	struct signalfd_siginfo info;

	while (read(at->signals, &info, sizeof(info)) == sizeof(info)) {
		struct ask_message message = {
			.head = {.type = ASK_SIGNAL,
				 .value = (int32_t)info.ssi_signo},
		};

		if (!at->started && is_final(message.head.value))
			give_up(at, message.head.value);
		else if (info.ssi_signo != SIGCHLD)
			(void)ask_send(at->sock, &message);
	}
}

static bool is_done(const struct at *at)
{
	return at->nr_ended >= at->options->nr_children ||
	       (at->started && at->options->detach);
}

static void wait_for_end(struct at *at)
{
	struct pollfd polls[] = {
		{.fd = at->sock, .events = POLLIN},
		{.fd = at->signals, .events = POLLIN},
	};

	while (!is_done(at)) {
		(void)poll(polls, 2, -1);
		if (polls[0].revents)
			hear(at);
		if (polls[1].revents)
			pass_on(at);
	}
}

static int run(struct at *at)
{
	struct why why = {""};
	sigset_t all;
	int error;

	signals_all(&all);
	at->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	at->pids = calloc(at->options->nr_children, sizeof(*at->pids));
	error = at->signals < 0 || !at->pids ? -ENOMEM : connect_to(at, &why);
	if (!error)
		error = ask_for(at, &why);
	(void)why_set(&why, error, "%s", strerror(-error));
	if (error)
		start(at, error, why.text);
	else
		wait_for_end(at);
	return at->status;
}

int load_at(const struct load_at_options *options)
{
	struct at *at = calloc(1, sizeof(*at));
	int status = SUPERVISE_NOT_LOADED;

	if (!at)
		return status;
	at->options = options;
	at->sock = at->signals = -1;
	status = run(at);
	cleanup_close(&at->sock);
	cleanup_close(&at->signals);
	free(at->pids);
	free(at);
	return status;
}
