/* SPDX-License-Identifier: MIT */
#include "rdmafetch/stash_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"

#define PAUSE_NS    10000000 /* 10 ms */
#define LOCK_TRIES  200	     /* of the directory: 2 s in all */
#define CLAIM_TRIES 100	     /* of a file: 1 s */
#define BLOCK_BYTES 512	     /* of st_blocks: stat(2) */

/* ---- the directory ---- */

static int refuse(char *why, const char *path, const char *what, int err)
{
	(void)snprintf(why, STASH_WHY_MAX + 1, "stash=%.120s: %s", path, what);
	return err;
}

static int check_owner(int fd, const char *path, char *why)
{
	struct stat st;

	if (fstat(fd, &st))
		return refuse(why, path, strerror(errno), -errno);
	if (st.st_uid != geteuid())
		return refuse(why, path,
			      "belongs to another user; the pages of a process "
			      "are secret: use a directory of your own",
			      -EPERM);
	if (st.st_mode & 077)
		return refuse(why, path,
			      "others may enter it, and the pages of a process "
			      "are secret: chmod 0700",
			      -EPERM);
	return 0;
}

int stash_dir_open(const char *path, int *ret_fd, char *why)
{
	CLEANUP_CLOSE int fd = -1;
	int err;

	if (mkdir(path, 0700) && errno != EEXIST)
		return refuse(why, path, strerror(errno), -errno);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		return refuse(why, path,
			      errno == ENOTDIR || errno == ELOOP
				      ? "not a directory, or a symbolic link"
				      : strerror(errno),
			      err);
	}
	err = check_owner(fd, path, why);
	if (!err)
		*ret_fd = steal_fd(&fd);
	return err;
}

/*
 * A lock of an open file, not of a process: so it is one's own descriptor of
 * the directory that is locked, and closing it lets go.
 */
static int lock_dir(int dir_fd, int *ret_fd)
{
	const struct timespec pause = {0, PAUSE_NS};
	CLEANUP_CLOSE int fd =
		openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (i == LOCK_TRIES || errno != EWOULDBLOCK)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* ---- one file ---- */

static int read_head(int fd, struct stash_head *ret_head)
{
	uint8_t bytes[STASH_HEAD_BYTES];
	int err = io_pread_all(fd, bytes, sizeof(bytes), 0);

	return err ? err : stash_head_get(bytes, sizeof(bytes), ret_head);
}

static int write_head(int fd, const struct stash_head *head)
{
	uint8_t bytes[STASH_HEAD_BYTES];
	ssize_t n;

	stash_head_put(bytes, head);
	n = pwrite(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	return n == sizeof(bytes) ? 0 : -ENOSPC;
}

/* The length first: what a larger file had there is then gone. */
static int make_anew(int fd, const struct stash_head *head)
{
	if (ftruncate(fd, 0))
		return -errno;
	return write_head(fd, head);
}

/* -EAGAIN when another process uses it. */
static int claim(int dir_fd, const struct stash_head *head, int *ret_fd)
{
	CLEANUP_CLOSE int lock = -1, fd = -1;
	char name[STASH_NAME_BYTES];
	struct stash_head found;
	struct stat st;
	int err = lock_dir(dir_fd, &lock);

	if (err)
		return err;
	stash_name(head, name);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (read_head(fd, &found) || !stash_head_same(&found, head))
		err = make_anew(fd, head);
	if (err) {
		(void)unlinkat(dir_fd, name, 0);
		return err;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int stash_dir_claim(int dir_fd, const struct stash_head *head, int *ret_fd)
{
	const struct timespec pause = {0, PAUSE_NS};
	int err = claim(dir_fd, head, ret_fd);

	for (int i = 0; err == -EAGAIN && i < CLAIM_TRIES; i++) {
		(void)nanosleep(&pause, NULL);
		err = claim(dir_fd, head, ret_fd);
	}
	return err == -EAGAIN ? -EBUSY : err;
}

void stash_dir_drop(int dir_fd, const struct stash_head *head)
{
	CLEANUP_CLOSE int lock = -1;
	char name[STASH_NAME_BYTES];

	/* The worst without the lock: another's new stash has no name. */
	(void)lock_dir(dir_fd, &lock);
	stash_name(head, name);
	(void)unlinkat(dir_fd, name, 0);
}

/* ---- all files ---- */

struct other {
	char name[STASH_NAME_BYTES];
	uint64_t bytes; /* that it counts for */
	struct timespec used;
	bool is_in_use;
};

struct others {
	struct other *at;
	unsigned nr;
	uint64_t bytes;
};

static void others_done(struct others *others)
{
	free(others->at);
}

static struct other *add(struct others *others)
{
	struct other *at =
		realloc(others->at, (others->nr + 1ul) * sizeof(*at));

	if (!at)
		return NULL;
	others->at = at;
	return &at[others->nr++];
}

/*
 * What is in use counts for its grant, which it may fill any time, and what is
 * not for what it takes; what nobody can use any more goes at once.
 */
static int look_at(int dir_fd, const char *name, struct others *others)
{
	CLEANUP_CLOSE int fd = openat(
		dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stash_head head = {0};
	struct other *other;
	struct stat st;
	bool is_in_use;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	is_in_use = flock(fd, LOCK_EX | LOCK_NB) != 0;
	if (!read_head(fd, &head) && head.is_transient && !is_in_use) {
		(void)unlinkat(dir_fd, name, 0);
		return 0;
	}
	other = add(others);
	if (!other)
		return -ENOMEM;
	memcpy(other->name, name, sizeof(other->name)); /* it is as long */
	other->used = st.st_mtim;
	other->is_in_use = is_in_use;
	other->bytes = (uint64_t)st.st_blocks * BLOCK_BYTES;
	if (is_in_use && head.granted_bytes > other->bytes)
		other->bytes = head.granted_bytes;
	others->bytes += other->bytes;
	return 0;
}

/* All files but @own. */
static int list(int lock_fd, const char *own, struct others *others)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	int fd = openat(lock_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	int err = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (!err && (entry = readdir(dir)))
		if (stash_name_ok(entry->d_name) &&
		    strcmp(entry->d_name, own) != 0)
			err = look_at(lock_fd, entry->d_name, others);
	return err;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Remove the longest unused one.  False: all are in use. */
static bool remove_oldest(int dir_fd, struct others *others)
{
	struct other *oldest = NULL;

	for (unsigned i = 0; i < others->nr; i++) {
		struct other *other = &others->at[i];

		if (!other->is_in_use && other->bytes &&
		    (!oldest || is_older(&other->used, &oldest->used)))
			oldest = other;
	}
	if (!oldest)
		return false;
	(void)unlinkat(dir_fd, oldest->name, 0);
	others->bytes -= oldest->bytes;
	oldest->bytes = 0;
	return true;
}

int stash_dir_grow(int dir_fd, int fd, struct stash_head *head,
		   uint64_t want_bytes, uint64_t max_bytes)
{
	CLEANUP(others_done) struct others others = {0};
	CLEANUP_CLOSE int lock = -1;
	struct stash_head next = *head;
	char own[STASH_NAME_BYTES];
	uint64_t left;
	int err = lock_dir(dir_fd, &lock);

	if (err)
		return err;
	stash_name(head, own);
	err = list(lock, own, &others);
	if (err)
		return err;
	while (others.bytes + want_bytes > max_bytes &&
	       remove_oldest(lock, &others))
		;
	left = max_bytes > others.bytes ? max_bytes - others.bytes : 0;
	if (left > want_bytes)
		left = want_bytes;
	if (left > next.granted_bytes)
		next.granted_bytes = left;
	err = write_head(fd, &next);
	if (!err)
		*head = next;
	return err;
}
