/* SPDX-License-Identifier: MIT */
/*
 * mitosisfs - mount helper and FUSE server
 *
 * Forks first, so that all that can go wrong (an unknown host, a refusal, a
 * missing mount point) is told on stderr and by the exit code of mount(8), and
 * only a mount that answers goes to the background.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "common/standard.h"
#include "config.h"
#include "fs/awake.h"
#include "fs/join.h"
#include "fs/options.h"
#include "fs/session.h"
#include "rdmafetch/retry.h"
#include "tools/origin.h"

#define NS_PER_S 1000000000ull

/* Exit codes of mount(8). */
enum { EXIT_OK = 0, EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_MOUNT = 32 };

/* Make the mount point absolute and see that it can be mounted on. */
static int check_mountpoint(struct options *options)
{
	char *path = realpath(options->mountpoint, NULL);
	struct stat st;

	if (!path || stat(path, &st)) {
		say_error("%s: mount point %s: %s%s", options->source_text,
			  options->mountpoint, strerror(errno),
			  errno == ENOTCONN
				  ? "; a dead mount is there: umount it first"
				  : "");
		free(path);
		return EXIT_MOUNT;
	}
	free(options->mountpoint);
	options->mountpoint = path;
	if (!S_ISDIR(st.st_mode)) {
		say_error("%s: mount point %s is not a directory",
			  options->source_text, path);
		return EXIT_MOUNT;
	}
	return EXIT_OK;
}

/* Wait for the background process to say how it went; its death says failure.
 */
static int wait_for_status(int status_fd)
{
	uint8_t status;

	if (io_read_all(status_fd, &status, sizeof(status)))
		return EXIT_MOUNT;
	return status;
}

static int go_to_background(int status_fd)
{
	CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint8_t status = EXIT_OK;

	(void)setsid();
	(void)chdir("/");
	say_to_syslog();
	if (null_fd >= 0)
		for (int fd = 0; fd < 3; fd++)
			(void)dup2(null_fd, fd);
	return io_write_all(status_fd, &status, sizeof(status));
}

/* Open the origin; where nobody answers, again until retry= is over. */
static int open_origin(const struct options *options, struct origin **ret,
		       char *why)
{
	uint64_t until_ns =
		io_monotonic_ns() + options->retry_m * 60 * NS_PER_S;
	unsigned nr_failed = 0;

	for (;;) {
		int r = origin_open(options, ret, why);

		if (!retry_may_pass(r) || io_monotonic_ns() >= until_ns)
			return r;
		if (!nr_failed)
			say_note("%s: %s; trying for %u min",
				 options->source_text,
				 why[0] ? why : strerror(-r), options->retry_m);
		(void)usleep(retry_pause_ms(nr_failed++) * 1000);
	}
}

/* Nobody there to be told any more: whoever wanted the mount gave it up. */
static void mounted(void *arg)
{
	const int *status_fd = arg;

	if (*status_fd >= 0 && go_to_background(*status_fd))
		(void)kill(getpid(), SIGTERM);
}

/* -o profile: where the other lines go, one a line. */
static void tell_profile(struct session *session)
{
	CLEANUP_FREE char *text = session_profile(session);
	char *save = NULL, *line = text ? strtok_r(text, "\n", &save) : NULL;

	for (; line; line = strtok_r(NULL, "\n", &save))
		say_note("%s", line);
}

/*
 * Mount an image that is open: by the server that it has on this host, or by
 * us. 1 when there is nothing more to do, 0, or -errno.
 */
static int mount_image(const struct options *options,
		       struct session_image *image, struct session **ret)
{
	int r = join(options, image, image->seat);

	if (!r)
		return session_open(options, image, ret);
	image->transport->ops->close(image->transport);
	return r;
}

/* How session_run() failed, in words. */
static void say_failed(const struct options *options, struct session *session,
		       int error)
{
	char why[WARM_WHY_MAX + 1];

	session_why_cold(session, why);
	if (error == -EOPNOTSUPP)
		say_error("%s: warm=require: %s", options->source_text, why);
	else
		say_error("%s: %s", options->source_text,
			  error == -EREMOTEIO
				  ? "not every page could be brought: not "
				    "mounted (eager=wait)"
				  : strerror(-error));
}

/* Everything between the fork and the loop; says its own errors. */
static int serve(const struct options *options, int status_fd)
{
	struct stashing stashing;
	struct session_image image;
	struct origin *origin = NULL;
	struct session *session = NULL;
	struct share_seat seat;
	struct awake *awake = awake_open(options->awake_ms);
	uint64_t start_ns = io_monotonic_ns();
	char why[WIRE_WHY_MAX + 1];
	int r, code = EXIT_MOUNT;

	r = stashing_prepare(&stashing, options, why);
	if (!r)
		r = open_origin(options, &origin, why);
	if (r) {
		say_error("%s: %s", options->source_text,
			  why[0] ? why : strerror(-r));
		awake_close(awake);
		return EXIT_MOUNT;
	}
	origin_image(origin, &image);
	image.stashing = &stashing;
	image.origin.mount_ns = io_monotonic_ns() - start_ns;
	image.seat = &seat;
	image.awake = awake;
	r = mount_image(options, &image, &session);
	if (r > 0) {
		mounted(&status_fd);
		code = EXIT_OK;
	} else if (r) {
		say_error("%s: cannot mount on %s: %s", options->source_text,
			  options->mountpoint, strerror(-r));
		stashing_close(&stashing, false);
	} else {
		if (stashing.why_not[0])
			say_note("%s: going on without a stash: %s",
				 options->source_text, stashing.why_not);
		/* Only this thread can take it back: it is busy soon. */
		(void)prctl(PR_SET_PDEATHSIG, 0);
		r = session_run(session, mounted, &status_fd);
		if (options->profile)
			tell_profile(session);
		if (r)
			say_failed(options, session, r);
		code = r == -EREMOTEIO || r == -EOPNOTSUPP ? EXIT_MOUNT
		       : r				   ? EXIT_SYSTEM
							   : EXIT_OK;
	}
	session_close(session);
	share_seat_leave(&seat);
	origin_close(origin);
	awake_close(awake);
	return code;
}

static int mount_in_background(const struct options *options)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		say_error("pipe: %s", strerror(errno));
		return EXIT_SYSTEM;
	}
	pid = fork();
	if (pid < 0) {
		say_error("fork: %s", strerror(errno));
		return EXIT_SYSTEM;
	}
	if (pid == 0) {
		(void)close(fds[0]);
		/* Who gives up waiting for us wants no mount any more. */
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		return serve(options, fds[1]);
	}
	(void)close(fds[1]);
	return wait_for_status(fds[0]);
}

/*
 * SIGUSR1 is fs/teller.c's, and no thread may die of it before.  A file that is
 * longer than RLIMIT_FSIZE allows is an error like any other (EFBIG).
 */
static void set_signals(void)
{
	sigset_t question;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)sigemptyset(&question);
	(void)sigaddset(&question, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &question, NULL);
}

/* A read of an image of this host waits for nothing but memory. */
static int choose_channel(struct options *options)
{
	char why[CHANNEL_WHY_MAX + 1];
	int r = channel_choose(options->channel, options_waits(options),
			       &options->uring, why);

	if (r)
		say_error("%s: fuse=io_uring: %s", options->source_text, why);
	return r;
}

/* --help or --version. */
static int print(const struct options *options)
{
	if (options->help)
		fputs(options_usage(), stdout);
	else
		printf("mitosisfs %s\n", MITOSIS_VERSION);
	return standard_end() ? EXIT_SYSTEM : EXIT_OK;
}

static void options_donep(struct options *options)
{
	options_done(options);
}

int main(int argc, char **argv)
{
	CLEANUP(options_donep) struct options options;
	int r, code;

	standard_open();
	say_init(argv[0]);
	/* An image is secret: no core of ours, no debugger of another user. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)umask(0077);
	set_signals();
	r = options_parse(argc, argv, &options);
	if (r) {
		say_error("%s", options.why[0] ? options.why : strerror(-r));
		return EXIT_USAGE;
	}
	if (options.help || options.version)
		return print(&options);
	code = check_mountpoint(&options);
	if (code || options.fake)
		return code;
	if (choose_channel(&options))
		return EXIT_MOUNT;
	return options.foreground ? serve(&options, -1)
				  : mount_in_background(&options);
}
