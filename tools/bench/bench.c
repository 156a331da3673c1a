/* SPDX-License-Identifier: MIT */
/* bench.c - see bench.h */
#include "tools/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"

int bench_start_parent(struct bench *bench, const struct bench_parent *parent)
{
	const char *name = parent->python ? "mitosis-bench-parent.py"
					  : "mitosis-bench-parent";
	char *program CLEANUP_FREE = host_program(name);
	char mib[16];
	char *argv[] = {"/usr/bin/python3", program, mib, NULL};
	int error;

	if (!program)
		return -ENOENT;
	(void)snprintf(mib, sizeof(mib), "%u", parent->mib);
	error = peer_spawn(parent->python ? argv : argv + 1, &bench->parent);
	if (!error)
		error = peer_hear(&bench->parent, "ready", NULL, NULL);
	bench->pid = bench->parent.pid;
	return error;
}

void bench_stop_parent(struct bench *bench)
{
	peer_close(&bench->parent);
	bench->pid = 0;
}

int bench_take_image(struct bench *bench)
{
	uint64_t took_ns;
	int error = host_prepare(bench->host, bench->pid, &took_ns);

	return error ? error : host_mount(bench->host, bench->pid, &took_ns);
}

int bench_load(struct bench *bench, struct peer *ret_child, pid_t *ret_pid)
{
	struct peer child CLEANUP(peer_close) = PEER_NONE;
	uint64_t took_ns;
	int error = host_load(bench->host, &child, &took_ns, ret_pid);

	if (!error)
		error = peer_hear(&child, "pong", NULL, NULL);
	if (error)
		return error;
	*ret_child = child;
	child = PEER_NONE;
	return 0;
}

int bench_ask_as_parent(struct bench *bench, struct peer *child,
			const char *command, const char *word,
			uint64_t *ret_took_ns)
{
	char theirs[PEER_LINE_MAX], ours[PEER_LINE_MAX];
	int error = peer_ask(child, command, word, theirs, ret_took_ns);

	if (!error)
		error = peer_ask(&bench->parent, command, word, ours, NULL);
	if (error || !strcmp(ours, theirs))
		return error;
	say_error("the child answers %s with %s, its parent with %s", command,
		  theirs, ours);
	return -EBADMSG;
}
