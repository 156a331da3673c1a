/* SPDX-License-Identifier: MIT */
#include "fs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/mountinfo.h"

/* Bytes; a host has some thousand mounts. */
#define MOUNTINFO_MAX (256ul << 20)

/* Call @fn for each mount of @dev, until it returns other than 0: that. */
static int for_each(dev_t dev,
		    int (*fn)(void *arg, const struct mountinfo *mount),
		    void *arg)
{
	CLEANUP_FREE char *text = NULL;
	char *save = NULL, *line;
	size_t len;
	int r = io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX,
			    &text, &len);

	if (r)
		return r;
	for (line = strtok_r(text, "\n", &save); line && !r;
	     line = strtok_r(NULL, "\n", &save)) {
		struct mountinfo mount;

		if (!mountinfo_parse(line, &mount) &&
		    makedev(mount.major, mount.minor) == dev)
			r = fn(arg, &mount);
	}
	return r;
}

static int count(void *arg, const struct mountinfo *mount)
{
	(*(int *)arg)++;
	return 0;
}

int mounts_count(dev_t dev)
{
	int nr = 0, r = for_each(dev, count, &nr);

	return r ? r : nr;
}

/* 1 when @fd is of the very mount. */
static int is_of(const struct mountinfo *mount, int fd)
{
	struct statx st;

	return !statx(fd, "", AT_STATX_DONT_SYNC | AT_EMPTY_PATH, STATX_MNT_ID,
		      &st) &&
	       st.stx_mask & STATX_MNT_ID && st.stx_mnt_id == mount->id;
}

static int device_of(int fd, const char *path, dev_t *ret_dev)
{
	struct statx st;

	if (statx(fd, path, AT_STATX_DONT_SYNC | AT_EMPTY_PATH, 0, &st))
		return -errno;
	*ret_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int mounts_device(const char *path, dev_t *ret_dev)
{
	return device_of(AT_FDCWD, path, ret_dev);
}

static int clone_of(int fd, const char *path)
{
	int clone = open_tree(
		fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return clone < 0 ? -errno : clone;
}

int mounts_clone_at(dev_t dev, const char *path)
{
	CLEANUP_CLOSE int clone = clone_of(AT_FDCWD, path);
	dev_t cloned;
	int r = clone < 0 ? clone : device_of(clone, "", &cloned);

	if (r)
		return r;
	return cloned == dev ? steal_fd(&clone) : -ESTALE;
}

struct cloning {
	dev_t dev;
	int clone;
};

static int clone_attached(void *arg, const struct mountinfo *mount)
{
	struct cloning *cloning = arg;

	if (strcmp(mount->root, "/") != 0)
		return 0;
	cloning->clone = mounts_clone_at(cloning->dev, mount->point);
	return cloning->clone >= 0;
}

int mounts_clone(dev_t dev, int holder)
{
	struct cloning cloning = {dev, clone_of(holder, "")};

	if (cloning.clone != -EINVAL)
		return cloning.clone;
	return for_each(dev, clone_attached, &cloning) > 0 ? cloning.clone
							   : -ENOENT;
}

int mounts_attach(int mount, const char *path)
{
	return move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH)
		       ? -errno
		       : 0;
}

/*
 * The very mount, or -1: what lies under another cannot be reached by its path.
 */
static int reach(const struct mountinfo *mount)
{
	CLEANUP_CLOSE int fd =
		open(mount->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && is_of(mount, fd) ? steal_fd(&fd) : -1;
}

/*
 * By a descriptor, as what is cut must not be what is mounted there a moment
 * later.
 */
static int detach(void *arg, const struct mountinfo *mount)
{
	CLEANUP_CLOSE int fd = reach(mount);
	char path[32];
	int *nr = arg;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* Who is root of a user namespace may not force it. */
	if (fd >= 0 && (!umount2(path, MNT_FORCE | MNT_DETACH) ||
			!umount2(path, MNT_DETACH)))
		(*nr)++;
	return 0;
}

void mounts_detach(dev_t dev)
{
	int nr;

	/* One that lay under another of @dev can be reached now. */
	do
		nr = 0;
	while (!for_each(dev, detach, &nr) && nr);
}

int mounts_hold(dev_t dev, const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dev_t held = 0;
	int r = fd < 0 ? -errno : device_of(fd, "", &held);

	if (r)
		return r;
	return held == dev ? steal_fd(&fd) : -ESTALE;
}

static int hold_one(void *arg, const struct mountinfo *mount)
{
	int *held = arg;

	*held = reach(mount);
	return *held >= 0;
}

int mounts_hold_any(dev_t dev)
{
	int held = -1, r = for_each(dev, hold_one, &held);

	if (r < 0)
		return r;
	return r ? held : -ENOENT;
}

static int ask_detach(void *arg, const struct mountinfo *mount)
{
	char *argv[] = {"fusermount3",	      "-u", "-q", "-z", "--",
			(char *)mount->point, NULL};
	CLEANUP_CLOSE int fd = reach(mount);
	int status, r, *nr = arg;
	pid_t pid;

	if (fd < 0 || (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) &&
		       posix_spawn(&pid, "/usr/bin/fusermount3", NULL, NULL,
				   argv, environ)))
		return 0;
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	*nr += r == pid && WIFEXITED(status) && !WEXITSTATUS(status);
	return 0;
}

void mounts_ask_detach(dev_t dev)
{
	int nr;

	do
		nr = 0;
	while (!for_each(dev, ask_detach, &nr) && nr);
}

void mounts_cut(dev_t dev)
{
	CLEANUP_CLOSE int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		       minor(dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "1", 1);
}

/*
 * How much the kernel reads around a fault is a knob of the mount's backing
 * device, copied into each file at its open: set it before anybody opens.  The
 * loop does not run yet, so the device number must come without a question to
 * ourselves: AT_STATX_DONT_SYNC.
 */
void mounts_set_readahead(const char *path, uint32_t kb)
{
	CLEANUP_FCLOSE FILE *knob = NULL;
	char knob_path[64];
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, 0, &st))
		return;
	(void)snprintf(knob_path, sizeof(knob_path),
		       "/sys/class/bdi/%u:%u/read_ahead_kb", st.stx_dev_major,
		       st.stx_dev_minor);
	knob = fopen(knob_path, "we");
	if (knob)
		(void)fprintf(knob, "%u\n", kb);
}
