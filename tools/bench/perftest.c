/* SPDX-License-Identifier: MIT */
/* perftest.c - see perftest.h */
#include "tools/bench/perftest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"

#define MIB	   1048576.0
#define TIME_LIMIT "60"
#define ARGS_MAX   24
#define NUMBER_MAX 12
#define OUTPUT_MAX 65536u
#define TRIES_MAX  30
#define PAUSE_US   200000

static const char *const names[] = {
	[PERFTEST_READ_LAT] = "ib_read_lat",
	[PERFTEST_READ_BW] = "ib_read_bw",
	[PERFTEST_SEND_BW] = "ib_send_bw",
};

int perftest_tool_parse(const char *name, enum perftest_tool *ret_tool)
{
	for (int i = PERFTEST_READ_LAT; i <= PERFTEST_SEND_BW; i++)
		if (!strcmp(name, names[i])) {
			*ret_tool = (enum perftest_tool)i;
			return 0;
		}
	return -EINVAL;
}

const char *perftest_tool_name(enum perftest_tool tool)
{
	return names[tool];
}

int perftest_check(const struct perftest_plan *plan)
{
	if (plan->size_bytes < 1 || plan->size_bytes > PERFTEST_SIZE_MAX ||
	    plan->depth < 1 || plan->depth > PERFTEST_DEPTH_MAX ||
	    plan->iters < 5 || plan->iters > PERFTEST_ITERS_MAX)
		return -EINVAL;
	return 0;
}

/* ---- what it prints ---- */

/*
 *  #bytes #iterations t_min t_max t_typical t_avg t_stdev 99% 99.9%   [us]
 *  #bytes #iterations BW-peak BW-average MsgRate     [MiB/s, MiB/s, million/s]
 */
static int parse_line(const struct perftest_plan *plan, const char *line,
		      struct perftest_result *ret)
{
	unsigned long size, iters;
	double v[7];
	int nr =
		sscanf(line, "%lu %lu %lf %lf %lf %lf %lf %lf %lf", &size,
		       &iters, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]);

	if (nr < 5 || size != plan->size_bytes || iters < plan->iters)
		return -EPROTO;
	if (plan->tool == PERFTEST_READ_LAT) {
		if (nr < 8)
			return -EPROTO;
		*ret = (struct perftest_result){
			.min_ns = v[0] * 1e3,
			.typical_ns = v[2] * 1e3,
			.p99_ns = v[5] * 1e3,
		};
	} else {
		*ret = (struct perftest_result){
			.bytes_per_s = v[1] * MIB,
			.messages_per_s = v[2] * 1e6,
		};
	}
	return 0;
}

int perftest_parse(const struct perftest_plan *plan, const char *text,
		   struct perftest_result *ret_result)
{
	while (text) {
		if (!parse_line(plan, text, ret_result))
			return 0;
		text = strchr(text, '\n');
		text += !!text;
	}
	return -EPROTO;
}

/* ---- running it ---- */

struct arguments {
	unsigned nr;
	const char *words[ARGS_MAX];
	char numbers[4][NUMBER_MAX];
};

static void add(struct arguments *arguments, const char *word)
{
	arguments->words[arguments->nr++] = word;
}

static void add_number(struct arguments *arguments, int which, const char *flag,
		       uint32_t number)
{
	(void)snprintf(arguments->numbers[which], NUMBER_MAX, "%u", number);
	add(arguments, flag);
	add(arguments, arguments->numbers[which]);
}

/* Connected by rdma_cm, as ours are, so that no GID need be known. */
static void put_arguments(struct arguments *arguments,
			  const struct perftest_plan *plan, const char *host,
			  uint16_t port)
{
	bool is_send = plan->tool == PERFTEST_SEND_BW;

	add(arguments, "timeout");
	add(arguments, TIME_LIMIT);
	add(arguments, names[plan->tool]);
	add(arguments, "-R");
	add(arguments, "-F");
	add_number(arguments, 0, "-s", plan->size_bytes);
	add_number(arguments, 1, "-n", plan->iters);
	add_number(arguments, 2, "-p", port);
	if (plan->tool != PERFTEST_READ_LAT)
		add_number(arguments, 3, is_send ? "-q" : "-t", plan->depth);
	if (plan->events)
		add(arguments, "-e");
	if (host)
		add(arguments, host);
	add(arguments, NULL);
}

/* What this process blocks or ignores is none of theirs. */
static void set_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, pipe;

	(void)sigemptyset(&none);
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)posix_spawnattr_init(attributes);
	(void)posix_spawnattr_setsigmask(attributes, &none);
	(void)posix_spawnattr_setsigdefault(attributes, &pipe);
	(void)posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

int perftest_start(const struct perftest_plan *plan, const char *host,
		   uint16_t port, pid_t *ret_pid, int *ret_out_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	struct arguments arguments = {0};
	int out[2], error;

	put_arguments(&arguments, plan, host, port);
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	set_signals(&attributes);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
					       "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
	error = posix_spawnp(ret_pid, "timeout", &actions, &attributes,
			     (char **)arguments.words, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	(void)close(out[1]);
	if (error)
		(void)close(out[0]);
	else
		*ret_out_fd = out[0];
	return -error;
}

static void read_to_end(int fd, char *text)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, OUTPUT_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	text[len] = '\0';
}

/* The last words of a tool that failed: why it did. */
static void say_why(const struct perftest_plan *plan, char *text)
{
	char *end = text + strlen(text), *line;

	while (end > text && end[-1] == '\n')
		*--end = '\0';
	line = strrchr(text, '\n');
	say_error("%s: %s", names[plan->tool], line ? line + 1 : text);
}

/* Run the near end once; what it says goes to @text. */
static int run_once(const struct perftest_plan *plan, const char *host,
		    uint16_t port, char *text)
{
	int out CLEANUP_CLOSE = -1;
	pid_t pid = 0;
	int status = 0, error;

	error = perftest_start(plan, host, port, &pid, &out);
	if (error)
		return error;
	read_to_end(out, text);
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPROTO;
}

int perftest_run(const struct perftest_plan *plan, const char *host,
		 uint16_t port, struct perftest_result *ret_result)
{
	char *text CLEANUP_FREE = malloc(OUTPUT_MAX);
	int error = text ? -EPROTO : -ENOMEM;

	/* One that comes before the far end listens is refused at once. */
	for (int tries = 0; error == -EPROTO && tries < TRIES_MAX; tries++) {
		if (tries)
			(void)usleep(PAUSE_US);
		error = run_once(plan, host, port, text);
	}
	if (!error)
		error = perftest_parse(plan, text, ret_result);
	if (error == -EPROTO)
		say_why(plan, text);
	return error;
}
