/* SPDX-License-Identifier: MIT */
#include "tools/bench/eager.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "common/parse.h"
#include "common/say.h"
#include "tools/bench/report.h"

#define CHUNK_BYTES (1ul << 20)
#define STATUS_MAX  65536
#define MIB	    (1024.0 * 1024.0)

enum who { OURS, TO_FILE, TO_BUFFER, WHO_END };

static const struct {
	const char *field, *words;
} names[WHO_END] = {
	[OURS] = {"mitosisfs", "mitosisfs, mode=eager"},
	[TO_FILE] = {"socket_to_file", "socket, kept in a file"},
	[TO_BUFFER] = {"socket_to_buffer", "socket, thrown away"},
};

struct measured {
	struct stats took_ns[WHO_END];
	uint64_t bytes;
};

/* The number that /mnt/status has for @key. */
static int read_status(const struct bench *bench, const char *key,
		       uint64_t *ret)
{
	CLEANUP_FREE char *text = NULL;
	char path[PATH_MAX], *line = NULL, *save = NULL;
	size_t len, key_len = strlen(key);
	int error;

	(void)snprintf(path, sizeof(path), "%s/mnt/status", bench->dir);
	error = io_slurp_at(AT_FDCWD, path, STATUS_MAX, &text, &len);
	if (error)
		return error;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, key, key_len) && line[key_len] == ':')
			return parse_u64(line + key_len + 2, 0, UINT64_MAX,
					 ret);
	return -ENODATA;
}

static int measure_ours(struct bench *bench, struct measured *measured)
{
	uint64_t took_ns, eager_us = 0, pages = 0;
	int error = host_prepare(bench->host, bench->pid, &took_ns);

	if (!error)
		error = host_mount(bench->host, bench->pid, &took_ns);
	if (error)
		return error;
	error = read_status(bench, "eager_us", &eager_us);
	if (!error)
		error = read_status(bench, "pages_here", &pages);
	if (error)
		say_error("the status of the mount: %s", strerror(-error));
	stats_add(&measured->took_ns[OURS], eager_us * 1000);
	measured->bytes = pages << PAGE_SHIFT;
	return error;
}

static int listen_on_loopback(struct sockaddr_in *ret_address)
{
	socklen_t len = sizeof(*ret_address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd >= 0 && !bind(fd, (struct sockaddr *)ret_address, len) &&
	    !listen(fd, 1) &&
	    !getsockname(fd, (struct sockaddr *)ret_address, &len))
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* A process that connects to @address and sends all of @memory. */
static pid_t start_sender(const struct sockaddr_in *address, const void *memory,
			  size_t bytes)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		_exit(1);
	_exit(io_write_all(fd, memory, bytes) ? 1 : 0);
}

/* Read @bytes from @sock; into the file @fd as well, if there is one. */
static int receive(int sock, int fd, uint64_t bytes)
{
	CLEANUP_FREE char *buf = malloc(CHUNK_BYTES);

	while (buf && bytes) {
		ssize_t got = read(sock, buf, CHUNK_BYTES);

		if (got <= 0)
			return got ? -errno : -ENODATA;
		if (fd >= 0 && io_write_all(fd, buf, (size_t)got))
			return -EIO;
		bytes -= (uint64_t)got;
	}
	return buf ? 0 : -ENOMEM;
}

static int copy_by_socket(const void *memory, uint64_t bytes, int keep_fd,
			  struct stats *took_ns)
{
	struct sockaddr_in address;
	CLEANUP_CLOSE int listener = listen_on_loopback(&address);
	CLEANUP_CLOSE int sock = -1;
	uint64_t start_ns = io_monotonic_ns();
	pid_t pid;
	int error, status;

	if (listener < 0)
		return -errno;
	pid = start_sender(&address, memory, bytes);
	if (pid < 0)
		return -errno;
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	error = sock < 0 ? -errno : receive(sock, keep_fd, bytes);
	stats_add(took_ns, io_monotonic_ns() - start_ns);
	(void)waitpid(pid, &status, 0);
	return error;
}

static int measure_rivals(struct measured *measured)
{
	CLEANUP_CLOSE int file = memfd_create("bench", MFD_CLOEXEC);
	void *memory = mmap(NULL, measured->bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory == MAP_FAILED || file < 0)
		return -errno;
	memset(memory, 0x5a, measured->bytes);
	error = copy_by_socket(memory, measured->bytes, file,
			       &measured->took_ns[TO_FILE]);
	if (!error)
		error = copy_by_socket(memory, measured->bytes, -1,
				       &measured->took_ns[TO_BUFFER]);
	(void)munmap(memory, measured->bytes);
	if (error)
		say_error("copying by socket: %s", strerror(-error));
	return error;
}

static double mib_per_s(const struct measured *measured, uint64_t took_ns)
{
	return took_ns ? (double)measured->bytes / MIB / ((double)took_ns / 1e9)
		       : 0;
}

/* How many times a rival's bandwidth ours is. */
static double ratio(const struct measured *measured, enum who who)
{
	return stats_ratio(&measured->took_ns[who], &measured->took_ns[OURS]);
}

static void print_row(const struct options *options,
		      const struct measured *measured, enum who who)
{
	struct stats_summary s = stats_summarize(&measured->took_ns[who]);

	if (options->json)
		(void)printf(
			"{\"benchmark\": \"eager\", \"parent\": \"%s\", "
			"\"transport\": \"%s\", \"who\": \"%s\", \"runs\": %u, "
			"\"bytes\": %lu, \"min_ns\": %lu, \"median_ns\": %lu, "
			"\"max_ns\": %lu, \"our_bandwidth_ratio\": %.3f}\n",
			options->parent->name, options->tcp ? "tcp" : "local",
			names[who].field, measured->took_ns[who].nr,
			measured->bytes, s.min, s.median, s.max,
			ratio(measured, who));
	else
		(void)printf("%-24s %9.1f %9.1f %9.1f %8.0f %8.2f\n",
			     names[who].words, s.min / 1e6, s.median / 1e6,
			     s.max / 1e6, mib_per_s(measured, s.median),
			     ratio(measured, who));
}

static void report(const struct options *options,
		   const struct measured *measured)
{
	if (!options->json) {
		(void)printf("parent %s, transport %s, %.1f MiB, %u runs\n",
			     options->parent->name,
			     options->tcp ? "tcp" : "local",
			     (double)measured->bytes / MIB, options->runs);
		report_machine();
		(void)printf("%-24s %9s %9s %9s %8s %8s\n", "ms", "min",
			     "median", "max", "MiB/s", "ours / it");
	}
	for (int who = 0; who < WHO_END; who++)
		print_row(options, measured, who);
}

int eager_measure(const struct options *options, struct bench *bench)
{
	struct measured *measured CLEANUP_FREE = calloc(1, sizeof(*measured));
	int error = measured ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < options->runs; i++) {
		int drop_error;

		error = measure_ours(bench, measured);
		drop_error = host_drop(bench->host);
		if (!error)
			error = drop_error;
		if (!error)
			error = measure_rivals(measured);
	}
	if (!error)
		report(options, measured);
	return error;
}
