/* SPDX-License-Identifier: MIT */
/*
 * mitosisctl.c - ask a mitosisd: ls, prepare, renew, release, trace, ...
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/parse.h"
#include "common/say.h"
#include "common/wire.h"
#include "config.h"
#include "rdmafetch/dial.h"
#include "rdmafetch/tcp_control.h"
#include "tools/ctl_metrics.h"
#include "tools/ctl_show.h"
#include "tools/opts.h"
#include "tools/socketpath.h"

#define ROOT_SOCKET "/run/mitosis/control.sock"
#define TIMEOUT_MS  10000
/* The daemon gives up on a snapshot after a minute. */
#define PREPARE_MS  70000
#define LEASE_MAX_S (366u * 24 * 3600)

struct settings {
	const char *socket, *host, *name;
	struct sec_words sec;
	uint32_t port, lease_s;
	bool json, help, version;
};

static struct settings settings;

static const struct opts_entry table[] = {
	{"socket", "PATH", "the daemon's unix socket", OPTS_TEXT,
	 &settings.socket, 0, 0},
	{"host", "HOST", "a daemon by TCP instead", OPTS_TEXT, &settings.host,
	 0, 0},
	{"port", "PORT", "with --host (7373)", OPTS_U32, &settings.port, 1,
	 65535},
	{"sec", "KIND", "say who asks: none (the default), munge or psk",
	 OPTS_TEXT, &settings.sec.kind, 0, 0},
	{"munge-socket", "PATH", "of munged, where it is not the usual one",
	 OPTS_TEXT, &settings.sec.munge_socket, 0, 0},
	{"psk-file", "PATH", "with --sec psk: the file of our key", OPTS_TEXT,
	 &settings.sec.psk_file, 0, 0},
	{"psk-user", "NAME", "with --sec psk: whose key of the file (our own)",
	 OPTS_TEXT, &settings.sec.psk_user, 0, 0},
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
	int (*run)(struct tcp_control *control, const char *word);
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

static int fetch_images(struct tcp_control *control,
			struct report_image **ret_images, size_t *ret_nr,
			char *why)
{
	CLEANUP_FREE void *body = NULL;
	size_t len = 0;
	int error;

	error = tcp_control_call(control, WIRE_LIST, NULL, 0, &body, &len, why);
	return error ? error : report_get_images(body, len, ret_images, ret_nr);
}

static int run_list(struct tcp_control *control, const char *word)
{
	CLEANUP_FREE struct report_image *images = NULL;
	char why[WIRE_WHY_MAX + 1] = "";
	size_t nr = 0;
	int error;

	error = fetch_images(control, &images, &nr, why);
	if (error)
		return say_failure("list the images", error, why);
	show_images(images, nr, settings.json, stdout);
	return 0;
}

static int fetch_status(struct tcp_control *control,
			struct report_status *ret_status)
{
	CLEANUP_FREE void *body = NULL;
	char why[WIRE_WHY_MAX + 1] = "";
	size_t len = 0;
	int error;

	error = tcp_control_call(control, WIRE_STATUS, NULL, 0, &body, &len,
				 why);
	if (!error)
		error = report_get_status(body, len, ret_status);
	return error ? say_failure("ask for the status", error, why) : 0;
}

/* What is mounted here: NULL when another host was asked for. */
static const struct ctl_mounts *find_mounts(struct ctl_mounts *mounts)
{
	int error;

	*mounts = (struct ctl_mounts){0};
	if (settings.host)
		return NULL;
	error = ctl_mounts_find(mounts);
	if (error)
		say_note("cannot tell what is mounted here: %s",
			 strerror(-error));
	return mounts;
}

static int run_status(struct tcp_control *control, const char *word)
{
	CLEANUP(ctl_mounts_done) struct ctl_mounts mounts = {0};
	struct report_status status;
	int error = fetch_status(control, &status);

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

static int run_metrics(struct tcp_control *control, const char *word)
{
	struct report_status status;
	int error = fetch_status(control, &status);

	if (!error)
		show_metrics(&status, settings.json, stdout);
	return error;
}

/* How long the pause was stands in the list; without it the name will do. */
static void show_new(struct tcp_control *control,
		     const struct wire_image *image)
{
	CLEANUP_FREE struct report_image *images = NULL;
	const struct report_image *details = NULL;
	char why[WIRE_WHY_MAX + 1];
	size_t nr = 0;

	if (!fetch_images(control, &images, &nr, why))
		for (size_t i = 0; i < nr; i++)
			if (!strcmp(images[i].name, image->name))
				details = &images[i];
	show_prepared(image, details, settings.json, stdout);
}

static int ask_prepare(struct tcp_control *control,
		       const struct wire_prepare *wanted,
		       struct wire_image *ret_image, char *why)
{
	CLEANUP_FREE void *reply = NULL;
	uint8_t body[WIRE_REQUEST_MAX];
	size_t len = 0;
	int error;

	error = tcp_control_call(control, WIRE_PREPARE, body,
				 wire_put_prepare(body, wanted), &reply, &len,
				 why);
	return error ? error : wire_get_image(reply, len, ret_image);
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

static int run_prepare(struct tcp_control *control, const char *word)
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
	error = ask_prepare(control, &wanted, &image, why);
	if (error)
		return say_failure(what, error, why);
	show_new(control, &image);
	return 0;
}

static int run_release(struct tcp_control *control, const char *word)
{
	char why[WIRE_WHY_MAX + 1] = "", what[PARSE_NAME_MAX + 32];
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_image image = {0};
	int error;

	(void)snprintf(image.name, sizeof(image.name), "%s", word);
	(void)snprintf(what, sizeof(what), "release %s", word);
	error = tcp_control_call(control, WIRE_RELEASE, body,
				 wire_put_image(body, &image), NULL, NULL, why);
	if (error)
		return say_failure(what, error, why);
	show_released(word, settings.json, stdout);
	return 0;
}

static int run_renew(struct tcp_control *control, const char *word)
{
	char why[WIRE_WHY_MAX + 1] = "", what[PARSE_NAME_MAX + 32];
	CLEANUP_FREE void *reply = NULL;
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_image image = {0};
	struct wire_opened lease;
	size_t len = 0;
	int error;

	(void)snprintf(image.name, sizeof(image.name), "%s", word);
	(void)snprintf(what, sizeof(what), "renew %s", word);
	error = tcp_control_call(control, WIRE_RENEW, body,
				 wire_put_image(body, &image), &reply, &len,
				 why);
	if (!error)
		error = wire_get_opened(reply, len, &lease);
	if (error)
		return say_failure(what, error, why);
	show_renewed(word, lease.lease_s, settings.json, stdout);
	return 0;
}

static int run_trace(struct tcp_control *control, const char *word)
{
	char why[WIRE_WHY_MAX + 1] = "", what[PARSE_NAME_MAX + 48];
	CLEANUP_FREE void *reply = NULL;
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_image image = {0};
	struct workset set;
	size_t len = 0;
	int error;

	(void)snprintf(image.name, sizeof(image.name), "%s", word);
	(void)snprintf(what, sizeof(what), "ask for the working set of %s",
		       word);
	error = tcp_control_call(control, WIRE_TRACE, body,
				 wire_put_image(body, &image), &reply, &len,
				 why);
	if (!error)
		error = workset_get(reply, len, &set);
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

static int say_help(void)
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
	return EXIT_SUCCESS;
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
	if (settings.socket && settings.host) {
		say_error("--socket and --host exclude each other");
		return -EINVAL;
	}
	if (settings.port && !settings.host) {
		say_error("--port is about --host: say which, or leave it out");
		return -EINVAL;
	}
	if ((settings.name || settings.lease_s) && nr &&
	    strcmp(words[0], "prepare") != 0) {
		say_error("--name and --lease are about prepare, not %s",
			  words[0]);
		return -EINVAL;
	}
	return settings.name ? check_name(settings.name) : 0;
}

static int set_sec(struct sec_settings *sec)
{
	char why[WIRE_WHY_MAX + 1];
	int error = sec_set(&settings.sec, sec, why);

	if (error)
		say_error("%s", why);
	return error;
}

/* Our own user's daemon when it runs, else the host's. */
static void choose_socket(char ret_path[SOCKETPATH_MAX + 1])
{
	socketpath_default(ret_path);
	if (access(ret_path, F_OK) && !access(ROOT_SOCKET, F_OK))
		strcpy(ret_path, ROOT_SOCKET);
}

/* [::1], as a source of mitosisfs has it. */
static void drop_brackets(char *host)
{
	size_t len = strlen(host);

	if (len < 3 || host[0] != '[' || host[len - 1] != ']')
		return;
	host[len - 1] = '\0';
	memmove(host, host + 1, len - 1);
}

static int set_address(struct tcp_address *address, int timeout_ms)
{
	char path[SOCKETPATH_MAX + 1];
	const char *text = settings.host;

	if (!settings.host) {
		choose_socket(path);
		text = settings.socket ? settings.socket : path;
	}
	*address = (struct tcp_address){
		.is_unix = !settings.host,
		.port = (uint16_t)(settings.port ? settings.port : WIRE_PORT),
		.timeout_ms = timeout_ms,
	};
	if (strlen(text) >= sizeof(address->host)) {
		say_error("%s: too long", text);
		return -EINVAL;
	}
	strcpy(address->host, text);
	if (!address->is_unix)
		drop_brackets(address->host);
	return set_sec(&address->sec);
}

/* In a folder where everybody may write, a stranger may have been first. */
static int check_socket(const struct tcp_address *address)
{
	struct stat st;

	if (!address->is_unix || stat(address->host, &st) || !st.st_uid ||
	    st.st_uid == geteuid())
		return 0;
	say_error(
		"%s belongs to user %u, neither to root nor to you: not "
		"trusted",
		address->host, st.st_uid);
	return -EPERM;
}

static int say_unreachable(const struct tcp_address *address, int error,
			   const char *why)
{
	char where[PARSE_HOST_MAX + 16];

	if (address->is_unix)
		(void)snprintf(where, sizeof(where), "%s", address->host);
	else
		(void)snprintf(where, sizeof(where), "%s port %u",
			       address->host, address->port);
	if (*why)
		say_error("mitosisd at %s: %s", where, why);
	else
		say_error("cannot reach mitosisd at %s: %s", where,
			  dial_advice(address, error));
	return error;
}

/* No daemon is here, and none was asked for by name. */
static bool is_absent(int error)
{
	return (error == -ENOENT || error == -ECONNREFUSED) &&
	       !settings.socket && !settings.host;
}

static int run(const struct command *command, const char *word)
{
	struct tcp_control *control = NULL;
	char why[WIRE_WHY_MAX + 1] = "";
	struct tcp_address address;
	int error;

	error = set_address(&address, command->timeout_ms);
	if (!error)
		error = check_socket(&address);
	if (error)
		return error;
	error = tcp_control_hello(&address, &control, why);
	if (is_absent(error) && command->run_alone && !command->run_alone())
		return 0;
	if (error)
		return say_unreachable(&address, error, why);
	error = command->run(control, word);
	tcp_control_close(control);
	return error;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int first, error;

	say_init(argv[0]);
	first = opts_parse(table, argc, argv);
	if (first < 0 || check_line(argc - first, argv + first))
		return EXIT_FAILURE;
	if (settings.help)
		return say_help();
	if (settings.version)
		return printf("mitosisctl %s\n", MITOSIS_VERSION) < 0;
	command = find_command(argc - first, argv + first);
	if (!command)
		return EXIT_FAILURE;
	error = run(command, command->operand ? argv[first + 1] : NULL);
	if (!error && fflush(stdout)) {
		say_error("cannot write the answer: %s", strerror(errno));
		error = -errno;
	}
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
