/* SPDX-License-Identifier: MIT */
/* sequential.c - see sequential.h */
#include "tools/bench/sequential.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "common/say.h"
#include "tools/bench/bulk.h"
#include "tools/bench/pace.h"

#define CHUNK_BYTES (1ul << 20)
/* The first word of the heap's page i is i times this (parent.c). */
#define FACTOR 2654435761ull

enum who { BY_CHILD, BY_READ, TO_FILE, TO_BUFFER, WHO_END };

struct measured {
	struct pace paces[WHO_END];
	uint64_t bytes; /* of the heap */
};

static int measure_child(struct bench *bench, struct measured *measured)
{
	struct peer child CLEANUP(peer_close) = PEER_NONE;
	uint64_t took_ns;
	pid_t pid;
	int error = bench_take_image(bench);

	if (!error)
		error = bench_load(bench, &child, &pid);
	if (!error)
		error = bench_ask_as_parent(bench, &child, "readall", "read",
					    &took_ns);
	if (!error)
		stats_add(&measured->paces[BY_CHILD].took_ns, took_ns);
	return error;
}

/* The largest area of the image is the heap. */
static int open_heap(const struct bench *bench, int *ret_fd, uint64_t *ret_len)
{
	DIR *dir CLEANUP_CLOSEDIR = NULL;
	char path[PATH_MAX], largest[256] = "";
	struct dirent *entry;
	struct stat stat;
	uint64_t len = 0;
	int error;

	(void)snprintf(path, sizeof(path), "%s/mnt/image/vma", bench->dir);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!fstatat(dirfd(dir), entry->d_name, &stat, 0) &&
		    S_ISREG(stat.st_mode) &&
		    (uint64_t)stat.st_blocks * 512 > len) {
			len = (uint64_t)stat.st_blocks * 512;
			strcpy(largest, entry->d_name);
		}
	*ret_fd = dir ? openat(dirfd(dir), largest, O_RDONLY | O_CLOEXEC) : -1;
	*ret_len = len;
	error = *ret_fd < 0 ? -errno : 0;
	if (error)
		say_error("%s/%s: %s", path, largest, strerror(-error));
	return error;
}

/* How many pages of the heap are in @buf, when *@seen came before them. */
static void look(const uint8_t *buf, size_t len, uint64_t *seen)
{
	uint64_t word;

	for (size_t at = 0; at + PAGE_BYTES <= len; at += PAGE_BYTES) {
		memcpy(&word, buf + at, sizeof(word));
		*seen += word == *seen * FACTOR;
	}
}

static int read_heap(int fd, uint64_t len, const struct measured *measured)
{
	uint8_t *buf CLEANUP_FREE = malloc(CHUNK_BYTES);
	uint64_t seen = 0;
	off_t at = lseek(fd, 0, SEEK_DATA);

	while (buf && len) {
		ssize_t got = pread(fd, buf, CHUNK_BYTES, at);

		if (got <= 0)
			break;
		look(buf, (size_t)got, &seen);
		at += got;
		len -= len < (size_t)got ? len : (size_t)got;
	}
	if (seen << PAGE_SHIFT == measured->bytes)
		return 0;
	say_error("%lu of %lu pages of the parent were read", seen,
		  measured->bytes >> PAGE_SHIFT);
	return -EBADMSG;
}

static int measure_read(struct bench *bench, struct measured *measured)
{
	int fd CLEANUP_CLOSE = -1;
	uint64_t start_ns, len;
	int error = bench_take_image(bench);

	if (!error)
		error = open_heap(bench, &fd, &len);
	if (error)
		return error;
	start_ns = io_monotonic_ns();
	error = read_heap(fd, len, measured);
	if (!error)
		stats_add(&measured->paces[BY_READ].took_ns,
			  io_monotonic_ns() - start_ns);
	return error;
}

typedef int (*step_fn)(struct bench *bench, struct measured *measured);

static int one_run(struct bench *bench, struct measured *measured)
{
	static const step_fn steps[] = {measure_child, measure_read};

	for (int i = 0; i < 2; i++) {
		int error = steps[i](bench, measured);
		int drop_error = host_drop(bench->host);

		if (error || drop_error)
			return error ? error : drop_error;
	}
	return bulk_copy_both(measured->bytes, bench->options->delay_us,
			      &measured->paces[TO_FILE].took_ns,
			      &measured->paces[TO_BUFFER].took_ns);
}

static struct measured *new_measured(const struct options *options)
{
	static const struct pace paces[WHO_END] = {
		[BY_CHILD] = {"mitosisfs_child", "a child looks at it", {0}},
		[BY_READ] = {"mitosisfs_read", "read(2) of the file", {0}},
		[TO_FILE] = {"socket_to_file", "socket, kept in a file", {0}},
		[TO_BUFFER] = {"socket_to_buffer", "socket, thrown away", {0}},
	};
	struct measured *measured = calloc(1, sizeof(*measured));

	if (measured) {
		memcpy(measured->paces, paces, sizeof(paces));
		measured->bytes = (uint64_t)options->parent.mib << 20;
	}
	return measured;
}

int sequential_measure(struct bench *bench)
{
	const struct options *options = bench->options;
	struct measured *measured CLEANUP_FREE = new_measured(options);
	int error = measured ? 0 : -ENOMEM;

	if (error)
		say_error("sequential: %s", strerror(-error));
	else if (options->parent.python) {
		say_error("sequential: a C parent is wanted, as c-200m");
		return -EINVAL;
	}
	for (unsigned i = 0; !error && i < options->runs; i++)
		error = one_run(bench, measured);
	if (error)
		return error;
	pace_report(options, &(struct pace_table){
				     .benchmark = "sequential",
				     .paces = measured->paces,
				     .nr = WHO_END,
				     .reference = TO_BUFFER,
				     .bytes = measured->bytes,
			     });
	return 0;
}
