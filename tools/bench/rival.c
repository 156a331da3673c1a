/* SPDX-License-Identifier: MIT */
#include "tools/bench/rival.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"

static int confused(const char *answer)
{
	say_error("a parent answers fork with '%s'", answer);
	return -EPROTO;
}

/* Ask the parent to fork; fill what it and its child say. */
static int ask_for_fork(struct peer *parent, const char *command,
			struct rival *rival)
{
	char rest[PEER_LINE_MAX];
	uint64_t when_ns;
	int error = peer_ask(parent, command, "forked", rest, NULL);

	if (error)
		return error;
	if (sscanf(rest, "%d %lu %lu", &rival->pid, &rival->start_ns,
		   &rival->call_ns) != 3)
		return confused(rest);
	error = peer_hear(&rival->peer, "first", rest, NULL);
	if (error)
		return error;
	if (sscanf(rest, "%lu", &rival->first_ns) != 1)
		return confused(rest);
	rival->first_ns -= rival->start_ns;
	error = peer_hear(&rival->peer, "pong", NULL, &when_ns);
	if (!error)
		rival->answer_ns = when_ns - rival->start_ns;
	return error;
}

int rival_start(struct peer *parent, const char *dir, struct rival *ret)
{
	char in[PATH_MAX], out[PATH_MAX], command[2 * PATH_MAX + 8];
	int error;

	*ret = (struct rival){.peer = PEER_NONE};
	(void)snprintf(in, sizeof(in), "%s/fork-in", dir);
	(void)snprintf(out, sizeof(out), "%s/fork-out", dir);
	(void)snprintf(command, sizeof(command), "fork %s %s", in, out);
	error = peer_fifos(in, out, &ret->peer);
	if (!error)
		error = peer_tell(&ret->peer, "ping");
	if (!error)
		error = ask_for_fork(parent, command, ret);
	(void)unlink(in);
	(void)unlink(out);
	return error;
}

int rival_end(struct peer *parent, struct rival *rival)
{
	char command[32];

	peer_close(&rival->peer);
	(void)snprintf(command, sizeof(command), "reap %d", rival->pid);
	return peer_ask(parent, command, "reaped", NULL, NULL);
}
