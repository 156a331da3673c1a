/* SPDX-License-Identifier: MIT */
#include "tools/bench/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "common/say.h"
#include "config.h"
#include "tools/bench/daemon.h"
#include "tools/bench/relay.h"

#define IMAGE_NAME  "bench"
#define PATIENCE_MS 30000
#define STATUS_MAX  65536

struct host {
	const struct options *options;
	const char *dir;
	char *mitosisfs, *mitosis_load, *mitosisd;
	char *mnt, *image, *pid_dir, *pid_file, *memory;
	struct daemon *daemon;
	struct relay *relay; /* in front of it, with options->delay_us */
	int watch_fd;	     /* inotify on pid_dir */
	bool mounted;
};

/* Beside ourselves, as in a build; else where parents are installed. */
char *host_program(const char *name)
{
	char *self CLEANUP_FREE = NULL, *path CLEANUP_FREE = NULL;
	char *other CLEANUP_FREE = NULL;

	if (io_readlink("/proc/self/exe", &self) < 0)
		return NULL;
	*strrchr(self, '/') = '\0';
	if (asprintf(&path, "%s/%s", self, name) < 0 ||
	    asprintf(&other, "%s/%s", LIBEXECDIR, name) < 0)
		return NULL;
	if (!access(path, R_OK))
		return steal_ptr(&path);
	if (!access(other, R_OK))
		return steal_ptr(&other);
	say_error("%s: %s", path, strerror(errno));
	return NULL;
}

static int find_programs(struct host *host)
{
	host->mitosisfs = host_program("mitosisfs");
	host->mitosis_load = host_program("mitosis-load");
	if (host->options->tcp)
		host->mitosisd = host_program("mitosisd");
	if (!host->mitosisfs || !host->mitosis_load ||
	    (host->options->tcp && !host->mitosisd))
		return -ENOENT;
	return 0;
}

static int make_places(struct host *host)
{
	const char *memory = host->options->memory;

	if (asprintf(&host->mnt, "%s/mnt", host->dir) < 0 ||
	    asprintf(&host->image, "%s/mnt/image", host->dir) < 0 ||
	    asprintf(&host->pid_dir, "%s/pids", host->dir) < 0 ||
	    asprintf(&host->pid_file, "%s/pids/child", host->dir) < 0 ||
	    asprintf(&host->memory, "--memory=%s", memory) < 0)
		return -ENOMEM;
	if (mkdir(host->mnt, 0700) < 0 || mkdir(host->pid_dir, 0700) < 0)
		return -errno;
	host->watch_fd = inotify_init1(IN_CLOEXEC);
	if (host->watch_fd < 0 ||
	    inotify_add_watch(host->watch_fd, host->pid_dir,
			      IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
		return -errno;
	return 0;
}

static void cleanup_host(struct host **host)
{
	host_close(*host);
}

static int open_relay(struct host *host)
{
	int error = relay_open(daemon_port(host->daemon),
			       host->options->delay_us, &host->relay);

	if (error)
		say_error("starting a relay: %s", strerror(-error));
	return error;
}

int host_open(const struct options *options, const char *dir, struct host **ret)
{
	struct host *host CLEANUP(cleanup_host) = calloc(1, sizeof(*host));
	int error;

	if (!host)
		return -ENOMEM;
	host->options = options;
	host->dir = dir;
	host->watch_fd = -1;
	error = find_programs(host);
	if (error)
		return error;
	error = make_places(host);
	if (error) {
		say_error("making places in %s: %s", dir, strerror(-error));
		return error;
	}
	if (options->tcp)
		error = daemon_open(host->mitosisd, dir, NULL, &host->daemon);
	if (!error && options->delay_us)
		error = open_relay(host);
	if (error)
		return error;
	*ret = steal_ptr(&host);
	return 0;
}

int host_prepare(struct host *host, pid_t pid, uint64_t *ret_took_ns)
{
	uint64_t start = io_monotonic_ns();
	int error = 0;

	if (host->daemon)
		error = daemon_prepare(host->daemon, pid, IMAGE_NAME);
	if (!error)
		*ret_took_ns = host->daemon ? io_monotonic_ns() - start : 0;
	return error;
}

static int run(char *const argv[])
{
	int error, status;
	pid_t pid;

	error = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
	if (error) {
		say_error("%s: %s", argv[0], strerror(error));
		return -error;
	}
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	/* The program has said why. */
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static uint16_t mount_port(const struct host *host)
{
	return host->relay ? relay_port(host->relay)
			   : daemon_port(host->daemon);
}

int host_mount(struct host *host, pid_t pid, uint64_t *ret_took_ns)
{
	const char *extra = host->options->mount;
	char source[64], mount_options[512];
	char *argv[] = {
		host->mitosisfs, source, host->mnt, "-o", mount_options, NULL,
	};
	uint64_t start = io_monotonic_ns();
	int error;

	if (host->daemon) {
		strcpy(source, "127.0.0.1:/image/" IMAGE_NAME);
		/* Or each round would find the pages of the one before. */
		(void)snprintf(mount_options, sizeof(mount_options),
			       "port=%u,nosharecache%s%s", mount_port(host),
			       extra ? "," : "", extra ? extra : "");
	} else {
		(void)snprintf(source, sizeof(source), "local:/pid/%d", pid);
		(void)snprintf(mount_options, sizeof(mount_options), "%s",
			       extra ? extra : "ro");
	}
	error = run(argv);
	if (error)
		return error;
	host->mounted = true;
	*ret_took_ns = io_monotonic_ns() - start;
	return 0;
}

/* Wait until the loader has written the child's pid, or has ended. */
static int wait_for_pid(struct host *host, int loader_fd, pid_t *ret_pid)
{
	struct pollfd poll_fds[] = {{host->watch_fd, POLLIN, 0},
				    {loader_fd, 0, 0}};
	char *text CLEANUP_FREE = NULL;
	char events[4096];
	uint64_t pid;
	size_t len;

	for (;;) {
		if (poll(poll_fds, 2, PATIENCE_MS) <= 0)
			return -ETIMEDOUT;
		if (!poll_fds[0].revents)
			return -EPIPE;
		if (read(host->watch_fd, events, sizeof(events)) < 0)
			return -errno;
		if (io_slurp_at(AT_FDCWD, host->pid_file, 64, &text, &len) ==
			    0 &&
		    len > 1)
			break;
		free(steal_ptr(&text));
	}
	text[strcspn(text, "\n")] = '\0';
	if (parse_u64(text, 1, INT_MAX, &pid) < 0)
		return -EPROTO;
	*ret_pid = pid;
	return 0;
}

int host_load(struct host *host, struct peer *ret_child, uint64_t *ret_took_ns,
	      pid_t *ret_pid)
{
	char *argv[] = {
		host->mitosis_load, host->memory, "--pid-file",
		host->pid_file,	    host->image,  NULL,
	};
	struct peer child CLEANUP(peer_close) = PEER_NONE;
	uint64_t start = io_monotonic_ns();
	int error;

	(void)unlink(host->pid_file);
	error = peer_spawn(argv, &child);
	if (!error)
		error = peer_tell(&child, "ping");
	if (error)
		return error;
	error = wait_for_pid(host, child.from_fd, ret_pid);
	if (error) {
		say_error("waiting for a loaded child: %s", strerror(-error));
		return error;
	}
	*ret_took_ns = io_monotonic_ns() - start;
	*ret_child = child;
	child = PEER_NONE;
	return 0;
}

const char *host_image(const struct host *host)
{
	return host->image;
}

int host_image_bytes(struct host *host, uint64_t *ret_bytes)
{
	DIR *dir CLEANUP_CLOSEDIR = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat stat;

	(void)snprintf(path, sizeof(path), "%s/vma", host->image);
	dir = opendir(path);
	if (!dir)
		return -errno;
	*ret_bytes = 0;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    fstatat(dirfd(dir), entry->d_name, &stat, 0) == 0)
			*ret_bytes += stat.st_blocks * 512ull;
	return 0;
}

int host_status(struct host *host, const char *key, uint64_t *ret)
{
	CLEANUP_FREE char *text = NULL;
	char path[PATH_MAX], *line = NULL, *save = NULL;
	size_t len, key_len = strlen(key);
	int error;

	(void)snprintf(path, sizeof(path), "%s/status", host->mnt);
	error = io_slurp_at(AT_FDCWD, path, STATUS_MAX, &text, &len);
	for (line = error ? NULL : strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, key, key_len) && line[key_len] == ':')
			return parse_u64(line + key_len + 2, 0, UINT64_MAX,
					 ret);
	error = error ? error : -ENODATA;
	say_error("%s of %s: %s", key, path, strerror(-error));
	return error;
}

int host_drop(struct host *host)
{
	int error = 0;

	if (host->mounted && umount2(host->mnt, 0) < 0) {
		error = -errno;
		say_error("unmounting %s: %s", host->mnt, strerror(errno));
		(void)umount2(host->mnt, MNT_DETACH);
	}
	host->mounted = false;
	if (!error && host->daemon)
		error = daemon_release(host->daemon);
	return error;
}

void host_close(struct host *host)
{
	if (!host)
		return;
	(void)host_drop(host);
	relay_close(host->relay);
	daemon_close(host->daemon);
	if (host->pid_file)
		(void)unlink(host->pid_file);
	if (host->pid_dir)
		(void)rmdir(host->pid_dir);
	if (host->mnt)
		(void)rmdir(host->mnt);
	if (host->watch_fd >= 0)
		(void)close(host->watch_fd);
	free(host->mitosisfs);
	free(host->mitosis_load);
	free(host->mitosisd);
	free(host->mnt);
	free(host->image);
	free(host->pid_dir);
	free(host->pid_file);
	free(host->memory);
	free(host);
}
