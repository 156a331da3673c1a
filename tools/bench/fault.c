/* SPDX-License-Identifier: MIT */
/* fault.c - see fault.h */
#include "tools/bench/fault.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/say.h"
#include "config.h"
#include "fs/channel.h"
#include "tools/bench/guardian.h"
#include "tools/bench/host.h"
#include "tools/bench/nullfs.h"
#include "tools/bench/peer.h"
#include "tools/opts.h"

#define PARENT_MIB  "200"
#define TOUCHES_MAX 16384u
#define LARGE_SHARE 4u /* fewer of the large ones: they take longer */

const struct fault_row fault_rows[FAULT_ROWS] = {
	{"read, 1 page", "read_1", {1, false, 1}},
	{"write, 1 page", "write_1", {1, true, 1}},
	{"read, 16 pages a request", "read_16", {16, false, 1}},
	{"read, 32 pages a request", "read_32", {32, false, 1}},
	{"2 threads: read, 1 page", "read_1_by_2", {1, false, 2}},
	{"2 threads: read, 32 pages", "read_32_by_2", {32, false, 2}},
};

static struct settings {
	const char *transport, *mount, *fuse;
	uint32_t runs, touches, threads, cpu;
	bool json, help, version;
} settings = {
	.transport = "local",
	.fuse = "auto",
	.runs = 9,
	.touches = 256,
};

static const struct opts_entry table[] = {
	{"transport", "NAME", "local or tcp, over loopback (local)", OPTS_TEXT,
	 &settings.transport, 0, 0},
	{"fuse", "NAME", "of both file systems: auto, dev or io_uring (auto)",
	 OPTS_TEXT, &settings.fuse, 0, 0},
	{"threads", "N", "of both file systems (as mitosisfs has them)",
	 OPTS_U32, &settings.threads, 1, 64},
	{"mount", "OPTIONS", "further ones of mitosisfs", OPTS_TEXT,
	 &settings.mount, 0, 0},
	{"cpu", "N", "where all is bound to, at first (0)", OPTS_U32,
	 &settings.cpu, 0, CPU_SETSIZE - 1},
	{"touches", "N",
	 "of one page in a round; a quarter of large ones (256)", OPTS_U32,
	 &settings.touches, 8, TOUCHES_MAX},
	{"runs", "N", "how many rounds (9)", OPTS_U32, &settings.runs, 1,
	 OPTIONS_RUNS_MAX},
	{"json", NULL, "one line of JSON for each measured thing", OPTS_FLAG,
	 &settings.json, 0, 0},
	{"help", NULL, "this text", OPTS_FLAG, &settings.help, 0, 0},
	{"version", NULL, "the version", OPTS_FLAG, &settings.version, 0, 0},
	{0},
};

static int say_help(void)
{
	(void)printf(
		"Usage: mitosis-bench fault [OPTION...]\n"
		"Measure a page fault on a mounted image beside one on a "
		"file system that does nothing.\n\n");
	opts_help(table, stdout);
	return EXIT_SUCCESS;
}

static int parse(int argc, char **argv, struct fault_options *ret)
{
	static char words[512];
	char why[CHANNEL_WHY_MAX + 1];
	enum channel_wish wish;
	int first = opts_parse(table, argc, argv);

	if (first < 0)
		return first;
	ret->bench = (struct options){.tcp = !strcmp(settings.transport, "tcp"),
				      .runs = settings.runs,
				      .json = settings.json,
				      .memory = "shared",
				      .mount = words};
	if (first < argc ||
	    (!ret->bench.tcp && strcmp(settings.transport, "local") != 0) ||
	    channel_parse(settings.fuse, &wish)) {
		say_error(
			"a word is not known: see mitosis-bench fault --help");
		return -EINVAL;
	}
	if (settings.cpu >= sysconf(_SC_NPROCESSORS_CONF)) {
		say_error("--cpu %u: this host has no CPU %u", settings.cpu,
			  settings.cpu);
		return -EINVAL;
	}
	if (channel_choose(wish, ret->bench.tcp, &ret->uring, why)) {
		say_error("--fuse io_uring: %s", why);
		return -EINVAL;
	}
	if (!settings.threads)
		settings.threads = channel_threads(ret->bench.tcp);
	ret->touches = settings.touches;
	ret->threads = settings.threads;
	ret->cpu = settings.cpu;
	(void)snprintf(words, sizeof(words), "threads=%u,fuse=%s%s%s",
		       settings.threads, channel_name(ret->uring),
		       settings.mount ? "," : "",
		       settings.mount ? settings.mount : "");
	return 0;
}

/* ---- one pass ---- */

/* What there is while a pass runs. */
struct site {
	char null_mnt[128], null_file[160], space_file[160];
	const char *dir;
	struct host *host;
	struct peer parent;
	struct nullfs *null;
	struct field fields[FAULT_WHO_END];
};

static void close_site(struct site *site)
{
	for (int i = 0; i < FAULT_WHO_END; i++)
		field_close(&site->fields[i]);
	nullfs_close(site->null);
	host_close(site->host);
	peer_close(&site->parent);
	(void)rmdir(site->null_mnt);
}

static int start_parent(struct site *site)
{
	char *program CLEANUP_FREE = host_program("mitosis-bench-parent");
	char *argv[] = {program, PARENT_MIB, NULL};
	int error = program ? peer_spawn(argv, &site->parent) : -ENOENT;

	return error ? error : peer_hear(&site->parent, "ready", NULL, NULL);
}

/* The parent's largest area. */
static int find_area(pid_t pid, uint64_t *ret_start, uint64_t *ret_pages)
{
	CLEANUP_FCLOSE FILE *maps = NULL;
	char path[64], line[PATH_MAX];
	uint64_t start, end;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	*ret_pages = 0;
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 &&
		    page_of(end - start) > *ret_pages) {
			*ret_start = start;
			*ret_pages = page_of(end - start);
		}
	return *ret_pages ? 0 : -ENODATA;
}

static int mount_ours(const struct fault_options *options, struct site *site,
		      uint64_t *ret_pages)
{
	uint64_t took_ns, start = 0;
	int error = host_open(&options->bench, site->dir, &site->host);

	if (!error)
		error = start_parent(site);
	if (!error)
		error = find_area(site->parent.pid, &start, ret_pages);
	if (!error)
		error = host_prepare(site->host, site->parent.pid, &took_ns);
	if (!error)
		error = host_mount(site->host, site->parent.pid, &took_ns);
	if (error)
		return error;
	(void)snprintf(site->space_file, sizeof(site->space_file),
		       "%s/mnt/image/.space", site->dir);
	return field_open(site->space_file, start, *ret_pages,
			  &site->fields[FAULT_OURS]);
}

static int mount_null(const struct fault_options *options, struct site *site,
		      uint64_t pages)
{
	const struct nullfs_options null = {site->null_mnt, pages << PAGE_SHIFT,
					    options->threads, options->uring};
	int error;

	(void)snprintf(site->null_mnt, sizeof(site->null_mnt), "%s/null",
		       site->dir);
	if (mkdir(site->null_mnt, 0700))
		return -errno;
	error = nullfs_open(&null, &site->null);
	if (error)
		return error;
	(void)snprintf(site->null_file, sizeof(site->null_file), "%s/null",
		       site->null_mnt);
	return field_open(site->null_file, 0, pages, &site->fields[FAULT_NULL]);
}

static int add_round(struct fault_cell *cell, const struct hist *round)
{
	stats_add(&cell->p50_ns, hist_percentile(round, 50));
	hist_merge(&cell->ns, round);
	return 0;
}

static int measure_row(const struct fault_options *options, struct site *site,
		       const struct fault_row *row, struct fault_cell *cells)
{
	unsigned nr = options->touches;

	if (row->touch.pages > 1)
		nr /= LARGE_SHARE;
	for (int who = 0; who < FAULT_WHO_END; who++) {
		struct hist round = {0};
		int error = field_touch(&site->fields[who], &row->touch, nr,
					&round);

		if (error)
			return error;
		(void)add_round(&cells[who], &round);
	}
	return 0;
}

static int measure_floors(const struct fault_options *options,
			  struct fault_pass *pass)
{
	for (int i = 0; i < FLOOR_END; i++) {
		struct hist round = {0};
		int error =
			floor_measure((enum floor)i, options->touches, &round);

		if (error)
			return error;
		(void)add_round(&pass->floors[i], &round);
	}
	return 0;
}

static bool is_measured(const struct fault_pass *pass,
			const struct fault_row *row)
{
	return row->touch.threads == 1 ||
	       (!pass->is_bound && sysconf(_SC_NPROCESSORS_ONLN) > 1);
}

static int measure_round(const struct fault_options *options, struct site *site,
			 struct fault_pass *pass)
{
	int error = measure_floors(options, pass);

	for (int i = 0; !error && i < FAULT_ROWS; i++)
		if (is_measured(pass, &fault_rows[i]))
			error = measure_row(options, site, &fault_rows[i],
					    pass->cells[i]);
	return error;
}

static int bind_to(const cpu_set_t *cpus)
{
	return sched_setaffinity(0, sizeof(*cpus), cpus) ? -errno : 0;
}

static int run_pass(const struct fault_options *options, const char *dir,
		    struct fault_pass *pass)
{
	CLEANUP(close_site)
	struct site site = {.dir = dir,
			    .parent = PEER_NONE,
			    .fields = {{.fd = -1}, {.fd = -1}}};
	uint64_t pages = 0;
	int error;

	error = mount_ours(options, &site, &pages);
	if (!error)
		error = mount_null(options, &site, pages);
	/* The first round makes all that is made once. */
	for (unsigned i = 0; !error && i <= options->bench.runs; i++) {
		if (i == 1)
			memset(pass->cells, 0, sizeof(pass->cells));
		if (i == 1)
			memset(pass->floors, 0, sizeof(pass->floors));
		error = measure_round(options, &site, pass);
	}
	return error;
}

/* Programs that are started later inherit where they may run. */
static int run(const struct fault_options *options, const char *dir,
	       bool is_bound)
{
	CLEANUP_FREE struct fault_pass *pass = calloc(1, sizeof(*pass));
	cpu_set_t all, one;
	int error = pass ? 0 : -ENOMEM;

	CPU_ZERO(&one);
	CPU_SET(options->cpu, &one);
	if (!error && sched_getaffinity(0, sizeof(all), &all))
		error = -errno;
	if (!error && is_bound)
		error = bind_to(&one);
	if (error)
		return error;
	pass->is_bound = is_bound;
	error = run_pass(options, dir, pass);
	if (!error)
		error = bind_to(&all);
	if (!error)
		fault_report(options, pass);
	return error;
}

static int work(const void *arg, const char *dir)
{
	const struct fault_options *options = arg;
	int error;

	fault_report_head(options);
	error = run(options, dir, true);
	if (!error)
		error = run(options, dir, false);
	if (error)
		say_error("measuring faults: %s", strerror(-error));
	return error ? 1 : 0;
}

int fault_main(int argc, char **argv)
{
	struct fault_options options;

	if (parse(argc, argv, &options))
		return 2;
	if (settings.help)
		return say_help();
	if (settings.version)
		return printf("mitosis-bench %s\n", MITOSIS_VERSION) < 0;
	return guardian_run(work, &options);
}
