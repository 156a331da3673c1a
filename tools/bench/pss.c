/* SPDX-License-Identifier: MIT */
#include "tools/bench/pss.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "tools/bench/rival.h"

static const unsigned counts[PSS_COUNTS] = {1, 2, 4, 8};

/* Add the Pss of @pid to *@bytes. */
static int add_pss(pid_t pid, uint64_t *bytes)
{
	FILE *rollup CLEANUP_FCLOSE = NULL;
	char path[64], line[256];
	uint64_t kib;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	rollup = fopen(path, "re");
	while (rollup && fgets(line, sizeof(line), rollup))
		if (sscanf(line, "Pss: %lu kB", &kib) == 1) {
			*bytes += kib << 10;
			return 0;
		}
	say_error("%s: no Pss", path);
	return -ENOENT;
}

static int load_one(struct bench *bench, struct peer *child, pid_t *pid)
{
	uint64_t took_ns;
	int error = host_load(bench->host, child, &took_ns, pid);

	if (!error)
		error = peer_hear(child, "pong", NULL, NULL);
	if (!error)
		error = peer_ask(child, "readall", "read", NULL, NULL);
	return error;
}

static int measure_ours(struct bench *bench, unsigned nr, uint64_t *ret_bytes)
{
	struct peer children[OPTIONS_CHILDREN_MAX];
	pid_t pids[OPTIONS_CHILDREN_MAX];
	unsigned loaded = 0;
	int error = 0;

	*ret_bytes = 0;
	while (!error && loaded < nr) {
		children[loaded] = PEER_NONE;
		error = load_one(bench, &children[loaded], &pids[loaded]);
		loaded++;
	}
	for (unsigned i = 0; !error && i < nr; i++)
		error = add_pss(pids[i], ret_bytes);
	for (unsigned i = 0; i < loaded; i++)
		peer_close(&children[i]);
	return error;
}

static int measure_fork(struct bench *bench, unsigned nr, uint64_t *ret_bytes)
{
	struct rival rivals[OPTIONS_CHILDREN_MAX];
	unsigned started = 0;
	int error = 0;

	*ret_bytes = 0;
	while (!error && started < nr) {
		error = rival_start(&bench->parent, bench->dir,
				    &rivals[started]);
		if (!error)
			error = peer_ask(&rivals[started++].peer, "readall",
					 "read", NULL, NULL);
	}
	for (unsigned i = 0; !error && i < nr; i++)
		error = add_pss(rivals[i].pid, ret_bytes);
	for (unsigned i = 0; i < started; i++)
		(void)rival_end(&bench->parent, &rivals[i]);
	return error;
}

int pss_measure(struct bench *bench, struct pss *ret)
{
	uint64_t took_ns;
	int error;

	for (int i = 0; i < PSS_COUNTS; i++) {
		ret->children[i] = counts[i];
		error = measure_fork(bench, counts[i], &ret->fork_bytes[i]);
		if (error)
			return error;
	}
	error = host_prepare(bench->host, bench->pid, &took_ns);
	if (!error)
		error = host_mount(bench->host, bench->pid, &took_ns);
	if (!error)
		error = host_image_bytes(bench->host, &ret->image_bytes);
	for (int i = 0; !error && i < PSS_COUNTS; i++)
		error = measure_ours(bench, counts[i], &ret->ours_bytes[i]);
	(void)host_drop(bench->host);
	return error;
}
