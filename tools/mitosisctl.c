/* SPDX-License-Identifier: MIT */
/*
 * mitosisctl.c - ask a mitosisd: ls, prepare, renew, release, trace, ...
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/parse.h"
#include "common/say.h"
#include "common/standard.h"
#include "common/wire.h"
#include "config.h"
#include "tools/ctl_link.h"
#include "tools/ctl_metrics.h"
#include "tools/ctl_show.h"
#include "tools/opts.h"

#define TIMEOUT_MS 10000
/* The daemon gives up on a snapshot after a minute. */
#define PREPARE_MS  70000
#define LEASE_MAX_S (366u * 24 * 3600)

struct settings {
	struct ctl_where where;
	const char *name;
	uint32_t lease_s;
	bool json, help, version;
};

static struct settings settings;

static const struct opts_entry table[] = {
	{"socket", "PATH", "the daemon's unix socket", OPTS_TEXT,
	 &settings.where.socket, 0, 0},
	{"host", "HOST", "a daemon by TCP instead", OPTS_TEXT,
	 &settings.where.host, 0, 0},
	{"port", "PORT", "with --host (7373)", OPTS_U32, &settings.where.port,
	 1, 65535},
	{"proto", "NAME", "with --host: tcp, or rdma-ud (tcp)", OPTS_TEXT,
	 &settings.where.proto, 0, 0},
	{"sec", "KIND", "say who asks: none (the default), munge or psk",
	 OPTS_TEXT, &settings.where.sec.kind, 0, 0},
	{"munge-socket", "PATH", "of munged, where it is not the usual one",
	 OPTS_TEXT, &settings.where.sec.munge_socket, 0, 0},
	{"psk-file", "PATH", "with --sec psk: the file of our key", OPTS_TEXT,
	 &settings.where.sec.psk_file, 0, 0},
	{"psk-user", "NAME", "with --sec psk: whose key of the file (our own)",
	 OPTS_TEXT, &settings.where.sec.psk_user, 0, 0},
	{"name", "NAME", "prepare: call the image so", OPTS_TEXT,
	 &settings.name, 0, 0},
	{"lease", "TIME", "prepare: end it after this, unless renewed",
	 OPTS_SECONDS, &settings.lease_s, 1, LEASE_MAX_S},
	{"json", NULL, "print JSON", OPTS_FLAG, &settings.json, 0, 0},
	{"help", NULL, "this text", OPTS_FLAG, &settings.help, 0, 0},
	{"version", NULL, "the version", OPTS_FLAG, &settings.version, 0, 0},
	{0},
};

/* Each says its own last words.  @word is the operand, or NULL. */
struct command {
	const char *name, *operand, *help;
	int (*check)(const char *word); /* before anybody is asked */
	int (*run)(struct ctl_link *link, const char *word);
	int timeout_ms;
	/* When no daemon is here: 1, or 0 when there is something to say. */
	int (*run_alone)(void);
};

/* A refusal in the daemon's words, a lost connection in the kernel's. */
static int say_failure(const char *what, int error, const char *why)
{
	say_error("cannot %s: %s", what, *why ? why : strerror(-error));
	return error;
}

static void free_reply(struct dgram_reply *reply)
{
	free(reply->body);
}

static int fetch_images(struct ctl_link *link, struct report_image **ret_images,
			size_t *ret_nr, char *why)
{
	CLEANUP(free_reply) struct dgram_reply reply = {NULL, 0};
	const struct dgram_question question = {WIRE_LIST, NULL, 0};
	int error = ctl_link_call(link, &question, &reply, why);

	return error ? error
		     : report_get_images(reply.body, reply.body_bytes,
					 ret_images, ret_nr);
}

static int run_list(struct ctl_link *link, const char *word)
{
	CLEANUP_FREE struct report_image *images = NULL;
	char why[WIRE_WHY_MAX + 1] = "";
	size_t nr = 0;
	int error;

	error = fetch_images(link, &images, &nr, why);
	if (error)
		return say_failure("list the images", error, why);
	show_images(images, nr, settings.json, stdout);
	return 0;
}

static int fetch_status(struct ctl_link *link, struct report_status *ret_status)
{
	CLEANUP(free_reply) struct dgram_reply reply = {NULL, 0};
	const struct dgram_question question = {WIRE_STATUS, NULL, 0};
	char why[WIRE_WHY_MAX + 1] = "";
	int error = ctl_link_call(link, &question, &reply, why);

	if (!error)
		error = report_get_status(reply.body, reply.body_bytes,
					  ret_status);
	return error ? say_failure("ask for the status", error, why) : 0;
}

/* What is mounted here: NULL when another host was asked for. */
static const struct ctl_mounts *find_mounts(struct ctl_mounts *mounts)
{
	int error;

	*mounts = (struct ctl_mounts){0};
	if (settings.where.host)
		return NULL;
	error = ctl_mounts_find(mounts);
	if (error)
		say_note("cannot tell what is mounted here: %s",
			 strerror(-error));
	return mounts;
}

static int run_status(struct ctl_link *link, const char *word)
{
	CLEANUP(ctl_mounts_done) struct ctl_mounts mounts = {0};
	struct report_status status;
	int error = fetch_status(link, &status);

	if (!error)
		show_status(&status, find_mounts(&mounts), settings.json,
			    stdout);
	return error;
}

/* A host of children needs no daemon. */
static int run_status_alone(void)
{
	CLEANUP(ctl_mounts_done) struct ctl_mounts mounts = {0};
	const struct ctl_mounts *found = find_mounts(&mounts);

	if (!found || !found->nr)
		return 1;
	show_status(NULL, found, settings.json, stdout);
	return 0;
}

static int run_metrics(struct ctl_link *link, const char *word)
{
	struct report_status status;
	int error = fetch_status(link, &status);

	if (!error)
		show_metrics(&status, settings.json, stdout);
	return error;
}

/* How long the pause was stands in the list; without it the name will do. */
static void show_new(struct ctl_link *link, const struct wire_image *image)
{
	CLEANUP_FREE struct report_image *images = NULL;
	const struct report_image *details = NULL;
	char why[WIRE_WHY_MAX + 1];
	size_t nr = 0;

	if (!fetch_images(link, &images, &nr, why))
		for (size_t i = 0; i < nr; i++)
			if (!strcmp(images[i].name, image->name))
				details = &images[i];
	show_prepared(image, details, settings.json, stdout);
}

static int ask_prepare(struct ctl_link *link, const struct wire_prepare *wanted,
		       struct wire_image *ret_image, char *why)
{
	CLEANUP(free_reply) struct dgram_reply reply = {NULL, 0};
	uint8_t body[WIRE_REQUEST_MAX];
	const struct dgram_question question = {WIRE_PREPARE, body,
						wire_put_prepare(body, wanted)};
	int error = ctl_link_call(link, &question, &reply, why);

	return error ? error
		     : wire_get_image(reply.body, reply.body_bytes, ret_image);
}

static int check_pid(const char *word)
{
	uint64_t pid;

	if (!parse_u64(word, 1, INT32_MAX, &pid))
		return 0;
	say_error("%s is no process id", word);
	return -EINVAL;
}

static int check_name(const char *word)
{
	if (parse_name_ok(word))
		return 0;
	say_error(
		"%s is no image name: 1 to %d letters, digits, dots, dashes "
		"and underscores",
		word, PARSE_NAME_MAX);
	return -EINVAL;
}

static int run_prepare(struct ctl_link *link, const char *word)
{
	struct wire_prepare wanted = {.lease_s = settings.lease_s};
	char why[WIRE_WHY_MAX + 1] = "", what[64];
	struct wire_image image;
	uint64_t pid = 0;
	int error;

	(void)parse_u64(word, 1, INT32_MAX, &pid);
	wanted.pid = (int32_t)pid;
	if (settings.name)
		(void)snprintf(wanted.name, sizeof(wanted.name), "%s",
			       settings.name);
	(void)snprintf(what, sizeof(what), "prepare pid %d", wanted.pid);
	error = ask_prepare(link, &wanted, &image, why);
	if (error)
		return say_failure(what, error, why);
	show_new(link, &image);
	return 0;
}

/* What has an image's name for a body. */
static int ask_image(struct ctl_link *link, enum wire_type type,
		     const char *name, struct dgram_reply *ret, char *why)
{
	uint8_t body[WIRE_REQUEST_MAX];
	struct dgram_question question = {type, body, 0};
	struct wire_image image = {0};

	(void)snprintf(image.name, sizeof(image.name), "%s", name);
	question.body_bytes = wire_put_image(body, &image);
	return ctl_link_call(link, &question, ret, why);
}

static int run_release(struct ctl_link *link, const char *word)
{
	char why[WIRE_WHY_MAX + 1] = "", what[PARSE_NAME_MAX + 32];
	int error;

	(void)snprintf(what, sizeof(what), "release %s", word);
	error = ask_image(link, WIRE_RELEASE, word, NULL, why);
	if (error)
		return say_failure(what, error, why);
	show_released(word, settings.json, stdout);
	return 0;
}

static int run_renew(struct ctl_link *link, const char *word)
{
	char why[WIRE_WHY_MAX + 1] = "", what[PARSE_NAME_MAX + 32];
	CLEANUP(free_reply) struct dgram_reply reply = {NULL, 0};
	struct wire_opened lease;
	int error;

	(void)snprintf(what, sizeof(what), "renew %s", word);
	error = ask_image(link, WIRE_RENEW, word, &reply, why);
	if (!error)
		error = wire_get_opened(reply.body, reply.body_bytes, &lease);
	if (error)
		return say_failure(what, error, why);
	show_renewed(word, lease.lease_s, settings.json, stdout);
	return 0;
}

static int run_trace(struct ctl_link *link, const char *word)
{
	char why[WIRE_WHY_MAX + 1] = "", what[PARSE_NAME_MAX + 48];
	CLEANUP(free_reply) struct dgram_reply reply = {NULL, 0};
	struct workset set;
	int error;

	(void)snprintf(what, sizeof(what), "ask for the working set of %s",
		       word);
	error = ask_image(link, WIRE_TRACE, word, &reply, why);
	if (!error)
		error = workset_get(reply.body, reply.body_bytes, &set);
	if (error)
		return say_failure(what, error, why);
	show_trace(word, &set, settings.json, stdout);
	workset_done(&set);
	return 0;
}

static const struct command commands[] = {
	{"ls", NULL, "the images you may read", NULL, run_list, TIMEOUT_MS},
	{"list", NULL, "the same", NULL, run_list, TIMEOUT_MS},
	{"prepare", "PID", "take an image of a process", check_pid, run_prepare,
	 PREPARE_MS},
	{"renew", "NAME", "begin an image's lease anew", check_name, run_renew,
	 TIMEOUT_MS},
	{"release", "NAME", "end an image, whoever reads it", check_name,
	 run_release, TIMEOUT_MS},
	{"trace", "NAME", "the pages that its first child looked at",
	 check_name, run_trace, TIMEOUT_MS},
	{"status", NULL, "the daemon in numbers, and what is mounted here",
	 NULL, run_status, TIMEOUT_MS, run_status_alone},
	{"metrics", NULL, "the same for Prometheus", NULL, run_metrics,
	 TIMEOUT_MS},
	{0},
};

static void say_help(void)
{
	(void)printf(
		"Usage: mitosisctl [OPTION...] COMMAND\n"
		"Ask a mitosisd, on this host or another.\n\n");
	for (const struct command *c = commands; c->name; c++)
		(void)printf("  %-8s %-17s %s\n", c->name,
			     c->operand ? c->operand : "", c->help);
	(void)printf("\n");
	opts_help(table, stdout);
	(void)printf("\nSee mitosisctl(1).\n");
}

static const struct command *find_command(int nr, char **words)
{
	const struct command *command = commands;

	if (!nr) {
		say_error(
			"what is to be done? ls, prepare PID, renew NAME, "
			"release NAME, trace NAME, status or metrics");
		return NULL;
	}
	while (command->name && strcmp(command->name, words[0]))
		command++;
	if (!command->name) {
		say_error("%s is no command: see mitosisctl --help", words[0]);
		return NULL;
	}
	if (nr != (command->operand ? 2 : 1)) {
		say_error("usage: mitosisctl %s%s%s", command->name,
			  command->operand ? " " : "",
			  command->operand ? command->operand : "");
		return NULL;
	}
	if (command->check && command->check(words[1]))
		return NULL;
	return command;
}

static int check_line(int nr, char **words)
{
	if (ctl_link_check(&settings.where))
		return -EINVAL;
	if ((settings.name || settings.lease_s) && nr &&
	    strcmp(words[0], "prepare") != 0) {
		say_error("--name and --lease are about prepare, not %s",
			  words[0]);
		return -EINVAL;
	}
	return settings.name ? check_name(settings.name) : 0;
}

static int run(const struct command *command, const char *word)
{
	struct ctl_link *link;
	bool is_absent;
	int error = ctl_link_open(&settings.where, command->timeout_ms, &link,
				  &is_absent);

	if (is_absent && command->run_alone && !command->run_alone())
		return 0;
	if (is_absent)
		ctl_link_say_absent();
	if (error)
		return error;
	error = command->run(link, word);
	ctl_link_close(link);
	return error;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int first, error = 0;

	standard_open();
	say_init(argv[0]);
	first = opts_parse(table, argc, argv);
	if (first < 0 || check_line(argc - first, argv + first))
		return EXIT_FAILURE;
	if (settings.help) {
		say_help();
	} else if (settings.version) {
		(void)printf("mitosisctl %s\n", MITOSIS_VERSION);
	} else {
		command = find_command(argc - first, argv + first);
		if (!command)
			return EXIT_FAILURE;
		error = run(command, command->operand ? argv[first + 1] : NULL);
	}
	return error || standard_end() ? EXIT_FAILURE : EXIT_SUCCESS;
}
