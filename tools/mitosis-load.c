/* SPDX-License-Identifier: MIT */
/*
 * mitosis-load.c - run an image as a process of this host
 *
 *   mitosis-load [options] DIR
 *   mitosis-load --serve=SOCKET [options] DIR...
 *   mitosis-load --at=SOCKET [options] [DIR]
 *
 * Options are a table; docs/man/mitosis-load.1.scd is for users.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "common/say.h"
#include "common/standard.h"
#include "config.h"
#include "loader/early.h"
#include "loader/load.h"
#include "loader/phases.h"
#include "loader/serve.h"
#include "loader/signals.h"
#include "loader/supervise.h"
#include "tools/load_at.h"
#include "tools/load_begin.h"
#include "tools/load_eager.h"
#include "tools/load_serve.h"
#include "tools/load_tell.h"
#include "tools/childtell.h"
#include "tools/loadprofile.h"

#define EXIT_USAGE  2
#define CHOICES_MAX 256u
#define FD_MAX	    ((1u << 20) - 1)
#define SERVE_MAX   64 /* children of a server, unless told */

struct settings {
	struct load_options load;
	struct supervise_options supervise;
	bool detach, eager, profiles, done;
	const char *serve, *at; /* a socket, or NULL */
	uint64_t max;		/* of --serve, or 0 */
	unsigned seen;		/* a bit for each row of the options */
	char *const *dirs;
	unsigned nr_dirs;
	struct loadprofile profile;
	unsigned verbose;
	int status_fd; /* of --detach: tells the waiting process, or -1 */
	bool undone;   /* children ran, and had to be killed again */
	uint64_t began_ns;
	const struct load *loaded;
	struct fate_choice choices[CHOICES_MAX];
	struct fate_port ports[CHOICES_MAX];
};

/* Both returns and messages: 0, or -EINVAL after say_error(). */
struct option_row {
	const char *name;
	char letter;
	const char *arg, *help;
	/* Without it the argument is kept @text_at in the settings. */
	int (*set)(struct settings *settings, const char *value);
	unsigned kinds; /* what it is an option of */
	size_t text_at;
	bool is_path; /* that is not looked up here */
};

#define TEXT_AT(field) offsetof(struct settings, field)

enum { LOAD = 1, SERVE = 2, AT = 4, ANY = LOAD | SERVE | AT };

static int bad(const char *option, const char *value, const char *wanted)
{
	say_error("--%s=%s: want %s", option, value, wanted);
	return -EINVAL;
}

static int set_memory(struct settings *settings, const char *value)
{
	if (!strcmp(value, "shared"))
		settings->load.memory = PLAN_MEMORY_SHARED;
	else if (!strcmp(value, "own"))
		settings->load.memory = PLAN_MEMORY_OWN;
	else
		return bad("memory", value, "shared or own");
	return 0;
}

static int set_pid(struct settings *settings, const char *value)
{
	if (!strcmp(value, "same"))
		settings->load.new_pid = false;
	else if (!strcmp(value, "new"))
		settings->load.new_pid = true;
	else
		return bad("pid", value, "same or new");
	return 0;
}

static int set_number(struct settings *settings, const char *value)
{
	uint64_t nr;

	if (parse_u64(value, 1, LOAD_CHILDREN_MAX, &nr))
		return bad("number", value, "1 to 1024 children");
	settings->load.nr_children = (unsigned)nr;
	return 0;
}

static int set_max(struct settings *settings, const char *value)
{
	if (parse_u64(value, 1, LOAD_CHILDREN_MAX, &settings->max))
		return bad("max", value, "1 to 1024 children");
	return 0;
}

/* Split "LEFT=RIGHT", LEFT a number up to @max; returns RIGHT or NULL. */
static const char *split(const char *text, uint64_t max, uint64_t *ret_left)
{
	const char *equals = strchr(text, '=');
	char left[24];

	if (!equals || !equals[1] || equals - text >= (long)sizeof(left))
		return NULL;
	memcpy(left, text, (size_t)(equals - text));
	left[equals - text] = '\0';
	return parse_u64(left, 0, max, ret_left) ? NULL : equals + 1;
}

static int set_fd(struct settings *settings, const char *value)
{
	struct fate_options *fates = &settings->load.fates;
	struct fate_choice *choice = &settings->choices[fates->nr_choices];
	uint64_t fd, own;
	const char *right = split(value, FD_MAX, &fd);

	if (!right || fates->nr_choices == CHOICES_MAX)
		return bad("fd", value, "NUMBER=PATH or NUMBER=NUMBER");
	*choice = (struct fate_choice){.fd = (int)fd, .own_fd = -1};
	if (!parse_u64(right, 0, FD_MAX, &own))
		choice->own_fd = (int)own;
	else if (load_begin_path(right, &choice->path))
		return -EINVAL;
	if (!choice->path && fcntl(choice->own_fd, F_GETFD) < 0)
		return bad("fd", value, "an open descriptor on the right");
	fates->nr_choices++;
	return 0;
}

static int set_port(struct settings *settings, const char *value)
{
	struct fate_options *fates = &settings->load.fates;
	uint64_t from, to;
	const char *right = split(value, UINT16_MAX, &from);

	if (!right || parse_u64(right, 0, UINT16_MAX, &to) ||
	    fates->nr_ports == CHOICES_MAX)
		return bad("port", value, "OLD=NEW");
	settings->ports[fates->nr_ports++] =
		(struct fate_port){(uint16_t)from, (uint16_t)to};
	return 0;
}

static int set_detach(struct settings *settings, const char *value)
{
	settings->detach = true;
	settings->load.linger = true;
	settings->supervise.detached = true;
	return 0;
}

static int set_eager(struct settings *settings, const char *value)
{
	settings->eager = true;
	return 0;
}

static int set_profile(struct settings *settings, const char *value)
{
	if (strcmp(value, "text") != 0 && strcmp(value, "json") != 0)
		return bad("profile", value, "text or json");
	settings->profiles = settings->load.profiled = true;
	settings->profile.json = !strcmp(value, "json");
	return 0;
}

static int set_verbose(struct settings *settings, const char *value)
{
	settings->verbose++;
	return 0;
}

static int show_version(struct settings *settings, const char *value)
{
	(void)printf("%s %s\n", say_name(), MITOSIS_VERSION);
	settings->done = true;
	return 0;
}

static int show_help(struct settings *settings, const char *value);

static const struct option_row rows[] = {
	{"memory", 'm', "KIND", "shared (default) or own", set_memory,
	 LOAD | SERVE},
	{"number", 'n', "N", "load N children", set_number, LOAD | AT},
	{"detach", 'd', NULL, "go to the background once they run", set_detach,
	 ANY},
	{"pid-file", 'p', "FILE", "write the children's pids there", NULL, ANY,
	 TEXT_AT(supervise.pid_file)},
	{"pid", 'P', "WHICH", "same (default) or new", set_pid, LOAD | SERVE},
	{"fd", 'f', "N=PATH", "what descriptor N shall be (or N=M: our M)",
	 set_fd, LOAD | AT},
	{"port", 't', "OLD=NEW", "move a listener to another port", set_port,
	 LOAD | AT},
	{"eager", 'E', NULL, "bring every page first; shows progress",
	 set_eager, LOAD},
	{"exe", 'e', "PATH", "where the program is", NULL, LOAD | SERVE,
	 TEXT_AT(load.exe), true},
	{"cwd", 'C', "PATH", "the working directory", NULL, LOAD | AT,
	 TEXT_AT(load.cwd), true},
	{"root", 'r', "PATH", "the root directory (/: our own)", NULL,
	 LOAD | AT, TEXT_AT(load.root), true},
	{"profile", 'R', "KIND", "at its end tell what it cost: text or json",
	 set_profile, LOAD},
	{"serve", 's', "SOCKET", "stay, and make children for --at", NULL,
	 SERVE, TEXT_AT(serve)},
	{"max", 'M', "N", "of --serve: children at once (64)", set_max, SERVE},
	{"at", 'a', "SOCKET", "let the loader that serves there do it", NULL,
	 AT, TEXT_AT(at)},
	{"verbose", 'v', NULL,
	 "tell what is lost, and the time it took; twice: by phases",
	 set_verbose, ANY},
	{"version", 'V', NULL, "the version", show_version, ANY},
	{"help", 'h', NULL, "this text", show_help, ANY},
};

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static void show_row(const struct option_row *row)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%s%s%s", row->name,
		       row->arg ? "=" : "", row->arg ? row->arg : "");
	(void)printf("  -%c, --%-15s  %s\n", row->letter, name, row->help);
}

static int show_help(struct settings *settings, const char *value)
{
	(void)printf(
		"Usage: %s [OPTION...] DIR\n"
		"       %s --serve=SOCKET [OPTION...] DIR...\n"
		"       %s --at=SOCKET [OPTION...] [DIR]\n"
		"Run the process image in DIR.\n\n",
		say_name(), say_name(), say_name());
	for (size_t i = 0; i < NR_ROWS; i++)
		show_row(&rows[i]);
	settings->done = true;
	return 0;
}

static void make_tables(struct option *longs, char *shorts)
{
	for (size_t i = 0; i < NR_ROWS; i++) {
		longs[i] = (struct option){
			.name = rows[i].name,
			.has_arg =
				rows[i].arg ? required_argument : no_argument,
			.val = rows[i].letter,
		};
		*shorts++ = rows[i].letter;
		if (rows[i].arg)
			*shorts++ = ':';
	}
	*shorts = '\0';
}

/* What was asked for, and whether each option belongs to it. */
static int check(const struct settings *settings)
{
	unsigned kind = settings->serve ? SERVE : settings->at ? AT : LOAD;
	unsigned least = kind == AT ? 0 : 1;
	unsigned most = kind == SERVE ? SERVE_IMAGES_MAX : 1;

	for (size_t i = 0; i < NR_ROWS; i++)
		if (settings->seen >> i & 1 && !(rows[i].kinds & kind)) {
			say_error("--%s is no option %s: see %s --help",
				  rows[i].name,
				  kind == SERVE ? "of --serve"
				  : kind == AT	? "of --at"
						: "without --serve",
				  say_name());
			return -EINVAL;
		}
	if (settings->nr_dirs < least || settings->nr_dirs > most) {
		say_error("%s: usage: %s [OPTION...] DIR%s",
			  settings->nr_dirs < least ? "which image?"
			  : most == 1		    ? "one image only"
						    : "too many images",
			  say_name(), most == 1 ? "" : "...");
		return -EINVAL;
	}
	if (settings->profiles && settings->detach) {
		say_error(
			"--profile is told when the child ends: leave out "
			"--detach, which forgets it");
		return -EINVAL;
	}
	return 0;
}

static int set_row(struct settings *settings, const struct option_row *row,
		   const char *value)
{
	const char **text = (void *)((char *)settings + row->text_at);

	if (value && !*value)
		return bad(row->name, "", row->arg);
	if (row->set)
		return row->set(settings, value);
	*text = value;
	return row->is_path ? load_begin_path(value, text) : 0;
}

static int parse(struct settings *settings, int argc, char **argv)
{
	struct option longs[NR_ROWS + 1] = {{0}};
	char shorts[2 * NR_ROWS + 1];
	int letter, error = 0;

	make_tables(longs, shorts);
	while (!error && !settings->done &&
	       (letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		error = -EINVAL; /* getopt has said why */
		for (size_t i = 0; i < NR_ROWS; i++) {
			if (rows[i].letter != letter)
				continue;
			settings->seen |= 1u << i;
			error = set_row(settings, &rows[i], optarg);
		}
	}
	if (error || settings->done)
		return error;
	settings->dirs = argv + optind;
	settings->nr_dirs = (unsigned)(argc - optind);
	settings->load.dir = settings->nr_dirs ? argv[optind] : "";
	return check(settings);
}

/* Nothing of ours may keep a pipe of the caller open beside the child's. */
static void let_go_of_stdio(const struct settings *settings)
{
	CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < (settings->detach ? 3 : 2); fd++)
		(void)dup2(null, fd);
}

static unsigned long long us_since(const struct settings *settings)
{
	return (io_monotonic_ns() - settings->began_ns) / 1000;
}

static void tell(const struct settings *settings)
{
	const struct load *load = settings->loaded;
	char dead[128];

	say_note("%u child%s of %s (pid %d) running after %llu us",
		 settings->load.nr_children,
		 settings->load.nr_children == 1 ? "" : "ren",
		 settings->load.dir, load->dir->image->pid, us_since(settings));
	fate_describe_dead(load->fates, load->dir->image->nr_fds, dead,
			   sizeof(dead));
	if (dead[0])
		say_note("%s", dead);
}

static void tell_waiting(struct settings *settings, int status)
{
	if (settings->status_fd < 0)
		return;
	(void)io_write_all(settings->status_fd, &status, sizeof(status));
	cleanup_close(&settings->status_fd);
	settings->status_fd = -1;
}

static void started(void *data, int error, const struct why *why)
{
	struct settings *settings = data;

	if (error)
		say_error("%s", why->text);
	else if (settings->verbose)
		tell(settings);
	if (!error && settings->verbose > 1)
		load_tell_phases();
	if (!error)
		load_tell_options(settings->loaded);
	if (!error && settings->profiles)
		childtell_load(settings->loaded);
	if (!error)
		let_go_of_stdio(settings);
	settings->undone = error;
	tell_waiting(settings, error ? SUPERVISE_NOT_LOADED : 0);
}

static void killed(void *data, const struct why *why)
{
	say_error("%s", why->text);
}

static void ended(void *data, const struct outcome *outcome)
{
	struct settings *settings = data;

	loadprofile_child(&settings->profile, outcome);
}

/* The process that was called waits until it is known how the load went. */
static void detach(struct settings *settings)
{
	int ends[2], status = SUPERVISE_NOT_LOADED;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		say_error("--detach: %s", strerror(errno));
		exit(SUPERVISE_NOT_LOADED);
	}
	if (pid == 0) {
		(void)close(ends[0]);
		(void)setsid();
		settings->status_fd = ends[1];
		return;
	}
	(void)close(ends[1]);
	(void)io_read_all(ends[0], &status, sizeof(status));
	_exit(status);
}

/* What needs no image is made while that is read. */
static int begin(struct settings *settings, struct init **ret_init,
		 struct why *why)
{
	uint64_t *cookie = &settings->load.cookie;

	if (getrandom(cookie, sizeof(*cookie), 0) != sizeof(*cookie))
		return why_set(why, -errno, "random numbers: %s",
			       strerror(errno));
	return settings->load.new_pid
		       ? 0
		       : supervise_begin(&settings->load, ret_init, why);
}

static int run(struct settings *settings)
{
	struct init *init = NULL;
	struct load *load = NULL;
	struct why why = {""};
	int error = begin(settings, &init, &why), status;

	if (!error)
		error = load_open(&settings->load, &load, &why);
	if (!error && settings->eager)
		error = load_eager(load, &why);
	if (error) {
		init_abandon(init);
		load_close(load);
		say_error("%s", why.text);
		tell_waiting(settings, SUPERVISE_NOT_LOADED);
		return SUPERVISE_NOT_LOADED;
	}
	if (settings->profiles)
		loadprofile_begin(load, &settings->profile);
	early_ask(load->dir); /* behind that, which counts their pages */
	settings->supervise.ended = settings->profiles ? ended : NULL;
	if (settings->load.nr_children > 1 && load_lay(load, &why) &&
	    settings->verbose)
		say_note("each child maps its memory itself: %s", why.text);
	settings->loaded = load;
	settings->supervise.first = init;
	status = supervise_run(load, &settings->supervise);
	if (settings->profiles && status != SUPERVISE_NOT_LOADED)
		loadprofile_tell(load, &settings->profile);
	load_close(load);
	return settings->undone ? SUPERVISE_NOT_LOADED : status;
}

static void serves(void *data)
{
	struct settings *settings = data;

	(void)puts("ready");
	(void)fflush(stdout);
	let_go_of_stdio(settings);
	tell_waiting(settings, 0);
}

static int serve(struct settings *settings)
{
	const struct load_serve_options options = {
		.path = settings->serve,
		.dirs = settings->dirs,
		.nr_dirs = settings->nr_dirs,
		.max = settings->max ? (unsigned)settings->max : SERVE_MAX,
		.pid_file = settings->supervise.pid_file,
		.load = settings->load,
		.ready = serves,
		.data = settings,
	};
	int error = load_serve(&options);

	tell_waiting(settings, SUPERVISE_NOT_LOADED);
	return error ? SUPERVISE_NOT_LOADED : 0;
}

static void asked(void *data, int error, const struct why *why)
{
	struct settings *settings = data;

	if (error)
		say_error("%s", why->text);
	else if (settings->verbose)
		say_note("%u child%s running after %llu us",
			 settings->load.nr_children,
			 settings->load.nr_children == 1 ? "" : "ren",
			 us_since(settings));
	if (!error)
		let_go_of_stdio(settings);
}

static int ask(struct settings *settings)
{
	const struct load_at_options options = {
		.path = settings->at,
		.image = settings->load.dir,
		.cwd = settings->load.cwd,
		.root = settings->load.root,
		.nr_children = settings->load.nr_children,
		.detach = settings->detach,
		.fates = &settings->load.fates,
		.pid_file = settings->supervise.pid_file,
		.started = asked,
		.data = settings,
	};

	return load_at(&options);
}

int main(int argc, char **argv)
{
	static struct settings settings = {
		.load = {.nr_children = 1},
		.status_fd = -1,
	};
	sigset_t all;

	settings.began_ns = io_monotonic_ns();
	load_begin_heap();
	settings.load.fates.choices = settings.choices;
	settings.load.fates.ports = settings.ports;
	settings.supervise.started = started;
	settings.supervise.killed = killed;
	settings.supervise.data = &settings;
	say_init(argv[0]);
	standard_open();
	if (parse(&settings, argc, argv))
		return EXIT_USAGE;
	if (settings.done)
		return standard_end() ? SUPERVISE_NOT_LOADED : 0;
	if (load_begin_pid_file(settings.supervise.pid_file))
		return SUPERVISE_NOT_LOADED;
	if (settings.detach && !settings.at)
		detach(&settings);
	if (settings.verbose > 1 || settings.profiles)
		phases_begin(settings.began_ns);
	/* Before any child: what comes now waits for the poll loop. */
	signals_all(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (settings.at)
		return ask(&settings);
	return settings.serve ? serve(&settings) : run(&settings);
}
