/* SPDX-License-Identifier: MIT */
/*
 * mitosisd.c - the parent's host: takes images of its processes, serves them
 *
 * Options to sockets, signals, readiness; what the daemon does is in
 * parent/daemon.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io.h"
#include "common/say.h"
#include "common/standard.h"
#include "common/wire.h"
#include "config.h"
#include "parent/daemon.h"
#include "parent/listen.h"
#include "tools/conf.h"
#include "tools/detach.h"
#include "tools/rlimit.h"
#include "tools/opts.h"
#include "tools/pidfile.h"
#include "tools/rdmaport.h"
#include "tools/service.h"
#include "tools/socketpath.h"

#define READY_BYTES 2048
#define CONFIG_PATH SYSCONFDIR "/mitosis/mitosisd.conf"

/* What the command line says. */
struct settings {
	struct daemon_options daemon;
	struct opts_list listen, rdma;
	const char *config, *socket, *pid_file;
	struct sec_words sec;
	uint32_t ready_fd;
	bool quiet, detach, foreground, help, version;
};

/* What main() has to undo. */
struct serving {
	struct daemon *daemon;
	const char *socket;   /* bound at @unix_fd, or NULL */
	const char *pid_file; /* written by us, or NULL */
	int unix_fd, stop_fd;
	int first_fd, nr_fds;	 /* sockets of the service manager */
	char ready[READY_BYTES]; /* where we can be reached */
};

#define NO_FD UINT32_MAX

static struct settings settings = {
	.ready_fd = NO_FD,
	.sec = {.is_server = true},
};

static const struct opts_entry table[] = {
	{"config", "PATH", "options out of a file (" CONFIG_PATH ")", OPTS_TEXT,
	 &settings.config, 0, 0},
	{"listen", "ADDR[:PORT]",
	 "address to serve TCP on, or none; may be repeated", OPTS_LIST,
	 &settings.listen, 0, 0},
	{"rdma", "ADDR[:PORT]",
	 "serve RDMA too, there or everywhere; may be repeated", OPTS_MAYBE,
	 &settings.rdma, 0, 0},
	{"socket", "PATH", "unix socket, or none", OPTS_TEXT, &settings.socket,
	 0, 0},
	{"sec", "KIND",
	 "how clients of other hosts are known: none, munge, psk", OPTS_TEXT,
	 &settings.sec.kind, 0, 0},
	{"munge-socket", "PATH", "of munged, where it is not the usual one",
	 OPTS_TEXT, &settings.sec.munge_socket, 0, 0},
	{"psk-file", "PATH", "with --sec psk: the keys of users", OPTS_TEXT,
	 &settings.sec.psk_file, 0, 0},
	{"no-root-squash", NULL, "root of other hosts is root here, too",
	 OPTS_FLAG, &settings.daemon.identity.no_root_squash, 0, 0},
	{"lease", "TIME", "of an image whose client names none (10m)",
	 OPTS_SECONDS, &settings.daemon.registry.lease_s, 1, 30 * 24 * 3600},
	{"max-lease", "TIME", "longer leases are cut to this (24h)",
	 OPTS_SECONDS, &settings.daemon.registry.lease_max_s, 1,
	 30 * 24 * 3600},
	{"max-images", "N", "at a time; a user has half of them at most (64)",
	 OPTS_U32, &settings.daemon.registry.images_max, 1, 65536},
	{"max-clients", "N", "connections at a time (256)", OPTS_U32,
	 &settings.daemon.serve.clients_max, 1, 65536},
	{"pin", NULL, "export by pinned copies, without on-demand paging too",
	 OPTS_FLAG, &settings.daemon.pin, 0, 0},
	{"quiet", NULL, "log no images taken and ended, nor who is turned away",
	 OPTS_FLAG, &settings.quiet, 0, 0},
	{"foreground", NULL, "stay in the foreground (the default)", OPTS_FLAG,
	 &settings.foreground, 0, 0},
	{"daemon", NULL, "go to the background once all is ready", OPTS_FLAG,
	 &settings.detach, 0, 0},
	{"pid-file", "PATH", "write the process id there", OPTS_TEXT,
	 &settings.pid_file, 0, 0},
	{"ready-fd", "N", "write a line to this descriptor once ready",
	 OPTS_U32, &settings.ready_fd, 0, 1 << 20},
	{"help", NULL, "this text", OPTS_FLAG, &settings.help, 0, 0},
	{"version", NULL, "the version", OPTS_FLAG, &settings.version, 0, 0},
	{0},
};

static void say_help(void)
{
	(void)printf(
		"Usage: mitosisd [OPTION...]\n"
		"Take images of running processes and serve their pages."
		"\n\n");
	opts_help(table, stdout);
	(void)printf("\nSee mitosisd(8).\n");
}

/* --help or --version. */
static int print(void)
{
	if (settings.help)
		say_help();
	else
		(void)printf("mitosisd %s\n", MITOSIS_VERSION);
	return standard_end() ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Another word than an address: "none" alone means no TCP. */
static bool wants_none(void)
{
	return settings.listen.nr == 1 &&
	       !strcmp(settings.listen.texts[0], "none");
}

/* What is said of this directory holds in the background, too. */
static void keep_paths(void)
{
	if (settings.socket && strcmp(settings.socket, "none") != 0)
		settings.socket = detach_path(settings.socket);
	settings.pid_file = detach_path(settings.pid_file);
	settings.sec.psk_file = detach_path(settings.sec.psk_file);
	settings.sec.munge_socket = detach_path(settings.sec.munge_socket);
}

static int set_sec(void)
{
	char why[WIRE_WHY_MAX + 1];
	struct sec_settings *sec = &settings.daemon.identity.sec;
	int error = sec_set(&settings.sec, sec, why);

	if (error)
		say_error("cannot start: %s", why);
	if (!error && sec->kind == WIRE_SEC_PSK && settings.rdma.nr) {
		say_error(
			"cannot start: --rdma with --sec psk: what goes over "
			"RDMA is not inside TLS; use --sec munge");
		error = -EINVAL;
	}
	return error;
}

static void say_line(const char *line)
{
	say_note("%s", line);
}

/* The usual file is root's: nobody else's daemon reads it. */
static int read_config(int argc, char **argv)
{
	const char *path = conf_path(argc, argv, NULL);

	if (path)
		return conf_read(table, path, true);
	return geteuid() ? 0 : conf_read(table, CONFIG_PATH, false);
}

static int parse_line(int argc, char **argv)
{
	struct registry_options *registry = &settings.daemon.registry;
	int first;

	settings.daemon = daemon_defaults;
	first = read_config(argc, argv);
	if (!first)
		first = opts_parse(table, argc, argv);
	if (first < 0)
		return first;
	settings.daemon.say = settings.quiet ? NULL : say_line;
	if (first < argc) {
		say_error(
			"%s: mitosisd takes options only; to image a process "
			"use mitosisctl prepare",
			argv[first]);
		return -EINVAL;
	}
	if (settings.foreground && settings.detach) {
		say_error("--foreground and --daemon exclude each other");
		return -EINVAL;
	}
	if (registry->lease_s > registry->lease_max_s)
		registry->lease_max_s = registry->lease_s;
	if (settings.detach)
		keep_paths();
	return set_sec();
}

static void add_ready(struct serving *serving, const char *kind,
		      const char *where)
{
	size_t used = strlen(serving->ready);

	(void)snprintf(serving->ready + used, sizeof(serving->ready) - used,
		       " %s:%s", kind, where);
}

/* Hand @fd to the daemon, which owns it then; else it is closed. */
static int serve_on(struct serving *serving, int fd)
{
	int error = daemon_listen(serving->daemon, fd);

	if (error) {
		say_error("cannot listen: %s", strerror(-error));
		(void)close(fd);
	}
	return error;
}

/* 0, or -errno with the words in @why: what is no matter for a default. */
static int try_tcp(struct serving *serving, const char *text,
		   struct refusal *why)
{
	struct listen_address address;
	char where[LISTEN_TEXT_MAX];
	int fd, error;

	error = listen_parse(text, WIRE_PORT, &address, why);
	if (!error)
		error = listen_allow(&address,
				     settings.daemon.identity.sec.kind, why);
	if (!error)
		error = listen_inet(&address, &fd, why);
	if (error)
		return error;
	listen_text(fd, where);
	add_ready(serving, "tcp", where);
	return serve_on(serving, fd);
}

static int serve_tcp(struct serving *serving)
{
	struct refusal why = {""};
	int error = 0;

	for (unsigned i = 0; i < settings.listen.nr && !error; i++)
		error = try_tcp(serving, settings.listen.texts[i], &why);
	if (error && why.why[0])
		say_error("%s", why.why);
	return error;
}

/* Without --listen: both loopbacks for root, as far as the host has them. */
static int serve_tcp_default(struct serving *serving)
{
	struct refusal why = {""};
	int error;

	if (geteuid())
		return 0;
	error = try_tcp(serving, "127.0.0.1", &why);
	if (!error) {
		error = try_tcp(serving, "[::1]", &why);
		if (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT)
			error = 0;
	}
	if (error)
		say_error("%s", why.why);
	return error;
}

static int serve_rdma(struct serving *serving)
{
	char where[LISTEN_TEXT_MAX];
	int error;

	for (unsigned i = 0; i < settings.rdma.nr; i++) {
		error = rdmaport_listen(serving->daemon, settings.rdma.texts[i],
					settings.daemon.identity.sec.kind,
					where);
		if (error)
			return error;
		add_ready(serving, "rdma", where);
	}
	return 0;
}

static int serve_unix(struct serving *serving)
{
	static char path[SOCKETPATH_MAX + 1];
	struct refusal why;
	int error;

	if (settings.socket && !strcmp(settings.socket, "none"))
		return 0;
	socketpath_default(path);
	serving->socket = settings.socket ? settings.socket : path;
	error = listen_unix(serving->socket, &serving->unix_fd, &why);
	if (error) {
		serving->socket = NULL;
		say_error("%s", why.why);
		return error;
	}
	add_ready(serving, "unix", serving->socket);
	error = serve_on(serving, serving->unix_fd);
	if (error)
		serving->unix_fd = -1;
	return error;
}

/* 0, or -errno when clients may not come to the given socket @fd. */
static int check_given(int fd, struct listen_address *ret_bound)
{
	struct refusal why;
	int error;

	ret_bound->addr_bytes = sizeof(ret_bound->addr);
	if (getsockname(fd, (struct sockaddr *)&ret_bound->addr,
			&ret_bound->addr_bytes) < 0) {
		say_error("the service manager's descriptor %d is no socket",
			  fd);
		return -ENOTSOCK;
	}
	if (ret_bound->addr.ss_family == AF_UNIX)
		return 0;
	error = listen_allow(ret_bound, settings.daemon.identity.sec.kind,
			     &why);
	if (error)
		say_error("%s", why.why);
	return error;
}

/* Sockets that the service manager made: where, is its matter and ours. */
static int serve_given(struct serving *serving)
{
	struct listen_address bound = {0};
	const struct sockaddr_un *un = (const void *)&bound.addr;
	char where[LISTEN_TEXT_MAX];
	int fd = serving->first_fd, error = check_given(fd, &bound);

	if (error)
		return error;
	if (bound.addr.ss_family == AF_UNIX) {
		add_ready(serving, "unix", un->sun_path);
	} else {
		listen_text(fd, where);
		add_ready(serving, "tcp", where);
	}
	serving->first_fd++;
	serving->nr_fds--;
	return serve_on(serving, fd);
}

/*
 * SIGTERM and SIGINT come as readable bytes; a reader that left is no end, nor
 * is a file that is longer than RLIMIT_FSIZE allows.
 */
static int block_signals(struct serving *serving)
{
	sigset_t stop;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	if (sigprocmask(SIG_BLOCK, &stop, NULL))
		return -errno;
	serving->stop_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	return serving->stop_fd < 0 ? -errno : 0;
}

static int open_daemon(struct serving *serving)
{
	char why[WIRE_WHY_MAX + 1];
	int error = sec_check_server(&settings.daemon.identity.sec, why);

	if (error) {
		say_error("cannot start: %s", why);
		return error;
	}
	error = daemon_open(&settings.daemon, &serving->daemon);
	if (error == -EPERM || error == -ENOSYS)
		say_error(
			"cannot start: io_uring is off on this host; it "
			"needs sysctl kernel.io_uring_disabled=0");
	else if (error)
		say_error("cannot start: %s", strerror(-error));
	return error;
}

/* What the service manager hands over stands for --socket and the default. */
static int serve_all(struct serving *serving)
{
	bool given = serving->nr_fds > 0;
	int error = 0;

	while (!error && serving->nr_fds)
		error = serve_given(serving);
	if (!error && !given)
		error = serve_unix(serving);
	if (!error && settings.listen.nr && !wants_none())
		error = serve_tcp(serving);
	else if (!error && !settings.listen.nr && !given)
		error = serve_tcp_default(serving);
	if (!error)
		error = serve_rdma(serving);
	return error;
}

static int open_all(struct serving *serving)
{
	int error = block_signals(serving);

	if (error) {
		say_error("cannot take signals: %s", strerror(-error));
		return error;
	}
	rlimit_set();
	error = open_daemon(serving);
	if (!error)
		error = serve_all(serving);
	if (!error && !serving->ready[0]) {
		say_error(
			"nothing to serve on: --socket none and --listen "
			"none leave no way in");
		error = -EINVAL;
	}
	return error;
}

/* "ready PID unix:PATH tcp:ADDR:PORT ...", for whoever started us. */
static int announce(const struct serving *serving)
{
	char line[READY_BYTES + 32];
	int len = snprintf(line, sizeof(line), "ready %d%s\n", (int)getpid(),
			   serving->ready);
	int error;

	if (settings.ready_fd == NO_FD)
		return 0;
	error = io_write_all((int)settings.ready_fd, line, (size_t)len);
	if (error)
		say_error("cannot write to --ready-fd %u: %s",
			  settings.ready_fd, strerror(-error));
	else
		(void)close((int)settings.ready_fd);
	return error;
}

static void close_all(struct serving *serving)
{
	if (serving->socket)
		listen_unlink(serving->socket, serving->unix_fd);
	daemon_close(serving->daemon);
	if (serving->pid_file)
		(void)unlink(serving->pid_file);
	if (serving->stop_fd >= 0)
		(void)close(serving->stop_fd);
}

static int serve(int detach_fd)
{
	struct serving serving = {.unix_fd = -1, .stop_fd = -1};
	int error;

	serving.nr_fds = service_sockets(&serving.first_fd);
	error = open_all(&serving);
	if (!error)
		error = pidfile_write(settings.pid_file);
	if (!error) {
		serving.pid_file = settings.pid_file;
		error = announce(&serving);
	}
	if (!error) {
		detach_done(detach_fd);
		service_ready(serving.ready);
		error = daemon_run(serving.daemon, serving.stop_fd);
		if (error)
			say_error("serving ended: %s", strerror(-error));
	}
	service_stopping();
	close_all(&serving);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	int detach_fd = -1, error;

	standard_open();
	say_init(argv[0]);
	if (parse_line(argc, argv))
		return EXIT_FAILURE;
	if (settings.help || settings.version)
		return print();
	if (settings.detach) {
		error = detach_start(&detach_fd);
		if (error) {
			say_error("cannot go to the background: %s",
				  strerror(-error));
			return EXIT_FAILURE;
		}
	}
	return serve(detach_fd);
}
