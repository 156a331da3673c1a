/* SPDX-License-Identifier: MIT */
#include "tools/load_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "loader/pids.h"
#include "loader/serve.h"
#include "tools/load_tell.h"

#define BACKLOG	   128
#define LOCK_TRIES 200
#define LOCK_US	   10000

struct served {
	struct load_options options;
	struct load *load;
};

struct service {
	const struct load_serve_options *options;
	int listener;
	struct stat socket; /* ours, as it was made */
	struct served *images;
	const struct load **loads;
};

static int failed(const char *path, int error)
{
	say_error("--serve=%s: %s", path, strerror(-error));
	return error;
}

/* Something is there that remove_stale() left. */
static int in_use(const char *path)
{
	struct stat file;

	if (lstat(path, &file) == 0 && !S_ISSOCK(file.st_mode))
		say_error(
			"--serve=%s: a file that is no socket is there: "
			"remove it, or serve at another path",
			path);
	else
		say_error(
			"--serve=%s: in use: another server listens there; "
			"end it, or serve at another path",
			path);
	return -EADDRINUSE;
}

/* sd_notify(3), without its library: this program is static. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	CLEANUP_CLOSE int sock = -1;

	if (!len || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock >= 0)
		(void)sendto(sock, state, strlen(state), MSG_NOSIGNAL,
			     (struct sockaddr *)&address,
			     offsetof(struct sockaddr_un, sun_path) + len);
}

static int fill_address(const char *path, struct sockaddr_un *ret_address)
{
	size_t len = strlen(path);

	if (!len || len >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path, path, len);
	return 0;
}

/* A socket that nobody listens on is what a killed server has left. */
static void remove_stale(const struct sockaddr_un *address)
{
	CLEANUP_CLOSE int sock =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct stat file;

	if (sock < 0 || lstat(address->sun_path, &file) < 0 ||
	    !S_ISSOCK(file.st_mode))
		return;
	if (connect(sock, (const struct sockaddr *)address, sizeof(*address)) <
		    0 &&
	    errno == ECONNREFUSED)
		(void)unlink(address->sun_path);
}

/*
 * The socket's folder is locked from the look at what is there until we listen:
 * who binds and does not listen yet looks like one that was killed.  Another's
 * lock is held for some system calls only, but anybody may hold one: who waits
 * too long goes on without.
 */
static int lock_folder(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	CLEANUP_CLOSE int folder = -1;

	if (!copy)
		return -ENOMEM;
	folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; folder >= 0 && i < LOCK_TRIES; i++) {
		if (!flock(folder, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
			break;
		(void)usleep(LOCK_US);
	}
	return steal_fd(&folder);
}

/* Nobody may connect in between: it listens last. */
static int listen_at(struct service *service)
{
	const char *path = service->options->path;
	struct sockaddr_un address;
	CLEANUP_CLOSE int sock = -1;
	CLEANUP_CLOSE int folder = -1; /* closed, it is unlocked */
	mode_t before;
	int error = fill_address(path, &address);

	if (error)
		return failed(path, error);
	folder = lock_folder(path);
	remove_stale(&address);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (sock < 0)
		return failed(path, -errno);
	before = umask(0177);
	error = bind(sock, (struct sockaddr *)&address, sizeof(address)) < 0
			? -errno
			: 0;
	(void)umask(before);
	if (!error &&
	    (listen(sock, BACKLOG) < 0 || lstat(path, &service->socket) < 0))
		error = -errno;
	if (error)
		return error == -EADDRINUSE ? in_use(path)
					    : failed(path, error);
	service->listener = steal_fd(&sock);
	return 0;
}

/* Another server may have taken the place meanwhile. */
static void stop_listening(struct service *service)
{
	const char *path = service->options->path;
	struct stat now;

	if (service->listener < 0)
		return;
	if (lstat(path, &now) == 0 && now.st_ino == service->socket.st_ino &&
	    now.st_dev == service->socket.st_dev)
		(void)unlink(path);
	cleanup_close(&service->listener);
}

/*
 * Opening an image may raise the limit of descriptors, and notes what the child
 * gets back: each finds it as we were given it.
 */
static int open_one(struct service *service, unsigned i,
		    const struct rlimit *nofile)
{
	struct served *image = &service->images[i];
	struct why slow = {""}, missing = {""}, why = {""};
	int error = 0;

	image->options = service->options->load;
	image->options.dir = service->options->dirs[i];
	image->options.nr_children = service->options->max;
	image->options.fates_later = true;
	if (getrandom(&image->options.cookie, sizeof(image->options.cookie),
		      0) != sizeof(image->options.cookie))
		error = -EAGAIN;
	if (!error)
		(void)setrlimit(RLIMIT_NOFILE, nofile);
	if (!error)
		error = load_open(&image->options, &image->load, &why);
	if (!error) {
		missing = why;
		why = (struct why){""};
		error = serve_prepare(image->load, &slow, &why);
	}
	if (!error)
		load_tell_options(image->load);
	if (!error && missing.text[0])
		say_note("%s: each client has to choose: %s",
			 image->options.dir, missing.text);
	if (!error && slow.text[0])
		say_note("%s: each child maps its memory itself: %s",
			 image->options.dir, slow.text);
	if (error) {
		(void)why_set(&why, error, "%s: %s", image->options.dir,
			      strerror(-error));
		say_error("%s", why.text);
	}
	service->loads[i] = image->load;
	return error;
}

static int open_images(struct service *service)
{
	unsigned nr = service->options->nr_dirs;
	struct rlimit nofile;
	int error = 0;

	service->images = calloc(nr, sizeof(*service->images));
	service->loads = calloc(nr, sizeof(*service->loads));
	if (!service->images || !service->loads ||
	    getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return failed(service->options->path, -ENOMEM);
	for (unsigned i = 0; !error && i < nr; i++)
		error = open_one(service, i, &nofile);
	/* For the children of all, whichever was opened last. */
	nofile.rlim_cur = nofile.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &nofile);
	return error;
}

static void ready(void *data)
{
	const struct service *service = data;

	notify("READY=1");
	service->options->ready(service->options->data);
}

static int run(struct service *service)
{
	const struct serve_options options = {
		.listener = service->listener,
		.max = service->options->max,
		.loads = service->loads,
		.nr_loads = service->options->nr_dirs,
		.ready = ready,
		.data = service,
	};
	struct why why = {""};
	const pid_t self = getpid();
	int error = 0;

	if (service->options->pid_file)
		error = pids_write(service->options->pid_file, &self, 1, &why);
	if (!error)
		error = serve_run(&options, &why);
	notify("STOPPING=1");
	if (error)
		say_error("--serve=%s: %s", service->options->path, why.text);
	if (!error && service->options->pid_file)
		(void)unlink(service->options->pid_file);
	return error;
}

static void close_all(struct service *service)
{
	for (unsigned i = 0; service->images && i < service->options->nr_dirs;
	     i++)
		load_close(service->images[i].load);
	free(service->images);
	free(service->loads);
	stop_listening(service);
}

int load_serve(const struct load_serve_options *options)
{
	struct service service = {.options = options, .listener = -1};
	int error = open_images(&service);

	if (!error)
		error = listen_at(&service);
	if (!error)
		error = run(&service);
	close_all(&service);
	return error;
}
