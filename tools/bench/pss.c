/* SPDX-License-Identifier: MIT */
#include "tools/bench/pss.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"

#define PROCESSES_MAX 32768u

/* Of /proc/PID/stat; a comm may hold blanks and brackets. */
struct process {
	pid_t pid, parent;
	char comm[17], state;
	bool is_kin;
};

struct processes {
	unsigned nr;
	struct process items[PROCESSES_MAX];
};

int pss_add(pid_t pid, struct pss *sum)
{
	FILE *rollup CLEANUP_FCLOSE = NULL;
	char path[64], line[256];
	uint64_t kib;
	int found = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	rollup = fopen(path, "re");
	while (rollup && fgets(line, sizeof(line), rollup)) {
		if (sscanf(line, "Pss: %lu kB", &kib) == 1) {
			sum->pss_bytes += kib << 10;
			found++;
		} else if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1) {
			sum->written_bytes += kib << 10;
			found++;
		}
	}
	if (found == 2)
		return 0;
	say_error("%s: no Pss", path);
	return -ENOENT;
}

static bool read_process(const char *pid, struct process *ret)
{
	FILE *stat CLEANUP_FCLOSE = NULL;
	char path[280], line[512], *end;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	stat = fopen(path, "re");
	if (!stat || !fgets(line, sizeof(line), stat))
		return false;
	end = strrchr(line, ')');
	return end && sscanf(line, "%d (%16[^\n]", &ret->pid, ret->comm) == 2 &&
	       sscanf(end, ") %c %d", &ret->state, &ret->parent) == 2;
}

static void read_processes(struct processes *all)
{
	DIR *dir CLEANUP_CLOSEDIR = opendir("/proc");
	struct dirent *entry;

	while (dir && all->nr < PROCESSES_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    read_process(entry->d_name, &all->items[all->nr]))
			all->nr++;
}

static bool is_kin(const struct processes *all, pid_t pid)
{
	for (unsigned i = 0; i < all->nr; i++)
		if (all->items[i].pid == pid)
			return all->items[i].is_kin;
	return false;
}

/* Until a round finds nobody new: a child may stand before its parent. */
static void mark_kin(struct processes *all, pid_t root)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned i = 0; i < all->nr; i++) {
			struct process *process = &all->items[i];

			if (process->is_kin || (process->parent != root &&
						!is_kin(all, process->parent)))
				continue;
			process->is_kin = true;
			again = true;
		}
	}
}

static bool starts(const char *comm, const char *with)
{
	return !strncmp(comm, with, strlen(with));
}

/* Whose memory it is, or NULL for that of a parent, a child or a benchmark. */
static struct pss *place_of(const struct process *process,
			    struct pss_programs *sums)
{
	if (process->state == 't')
		return &sums->twins;
	if (starts(process->comm, "mitosis-load") ||
	    starts(process->comm, "mitosis-init"))
		return &sums->loaders;
	if (starts(process->comm, "mitosisfs") ||
	    starts(process->comm, "mitosisd") ||
	    starts(process->comm, "mitosis-keeper"))
		return &sums->servers;
	return NULL;
}

int pss_programs(pid_t root, struct pss_programs *ret)
{
	struct processes *all CLEANUP_FREE = calloc(1, sizeof(*all));
	struct pss_programs sums = {0};
	int error = 0;

	if (!all)
		return -ENOMEM;
	read_processes(all);
	mark_kin(all, root);
	for (unsigned i = 0; !error && i < all->nr; i++) {
		const struct process *process = &all->items[i];
		struct pss *place = place_of(process, &sums);

		if (process->is_kin && process->state != 'Z' && place)
			error = pss_add(process->pid, place);
	}
	if (!error)
		*ret = sums;
	return error;
}
