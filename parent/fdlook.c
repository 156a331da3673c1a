/* SPDX-License-Identifier: MIT */
#include "parent/fdlook.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/sockets.h"
#include "parent/unixpeer.h"

/* The interrupt of a timer that runs out was 4.3 ms late at most, of 5000. */
#define TICK_MS 10

#define TEXT_BYTES_FIRST 4096u
#define TEXT_BYTES_MAX	 (IMAGE_EPOLLS_MAX * 128u)

static int open_dir(pid_t pid, const char *name)
{
	char path[40];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

int fdlook_open(pid_t pid, struct fdlook *look)
{
	*look = (struct fdlook){
		.pid = pid,
		.pid_fd = -1,
		.fd_dir = -1,
		.fdinfo_dir = -1,
		.diag_fd = -1,
		.buf_bytes = TEXT_BYTES_FIRST,
	};
	look->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (look->pid_fd < 0)
		return -errno;
	look->fd_dir = open_dir(pid, "fd");
	if (look->fd_dir < 0)
		return look->fd_dir;
	look->fdinfo_dir = open_dir(pid, "fdinfo");
	if (look->fdinfo_dir < 0)
		return look->fdinfo_dir;
	look->buf = malloc(look->buf_bytes);
	return look->buf ? 0 : -ENOMEM;
}

void fdlook_close(struct fdlook *look)
{
	cleanup_close(&look->pid_fd);
	cleanup_close(&look->fd_dir);
	cleanup_close(&look->fdinfo_dir);
	cleanup_close(&look->diag_fd);
	free(look->buf);
	look->buf = NULL;
	look->buf_bytes = 0;
}

static const char *name_of(int32_t fd, char name[16])
{
	(void)snprintf(name, 16, "%d", fd);
	return name;
}

static int grow_buf(struct fdlook *look)
{
	char *bigger;

	if (look->buf_bytes >= TEXT_BYTES_MAX)
		return -E2BIG;
	bigger = realloc(look->buf, look->buf_bytes * 4);
	if (!bigger)
		return -ENOMEM;
	look->buf = bigger;
	look->buf_bytes *= 4;
	return 0;
}

/*
 * The kernel makes the whole text at the first read (single_open()), so a read
 * that does not fill the buffer was the last.
 */
static ssize_t read_text(struct fdlook *look, int file)
{
	size_t len = 0;

	for (;;) {
		ssize_t got =
			read(file, look->buf + len, look->buf_bytes - len);
		int rc;

		if (got < 0)
			return -errno;
		len += (size_t)got;
		if (len < look->buf_bytes)
			return (ssize_t)len;
		rc = grow_buf(look);
		if (rc)
			return rc;
	}
}

int fdlook_info(struct fdlook *look, int32_t fd, struct fdinfo *ret_info,
		struct fdinfo_watches *watches)
{
	CLEANUP_CLOSE int file = -1;
	char name[16];
	ssize_t len;

	file = openat(look->fdinfo_dir, name_of(fd, name),
		      O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	len = read_text(look, file);
	if (len < 0)
		return (int)len;
	return fdinfo_parse(fd, look->buf, (size_t)len, ret_info, watches);
}

int fdlook_stat(struct fdlook *look, struct image_fd *image_fd)
{
	/* Who stands still does not wait for what another host says. */
	const int how = look->hurries ? AT_STATX_DONT_SYNC : 0;
	struct statx st;
	char name[16];

	if (statx(look->fd_dir, name_of(image_fd->fd, name), how,
		  STATX_BASIC_STATS, &st))
		return -ENOENT;
	image_fd->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	image_fd->inode = st.stx_ino;
	image_fd->mode = st.stx_mode;
	image_fd->size_bytes = st.stx_size;
	image_fd->mtime_ns = (uint64_t)st.stx_mtime.tv_sec * 1000000000u +
			     st.stx_mtime.tv_nsec;
	/* Of a character device, its number says more than where it lies. */
	if (S_ISCHR(st.stx_mode))
		image_fd->dev = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	return 0;
}

int fdlook_copy(struct fdlook *look, int32_t fd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, look->pid_fd, fd, 0);

	return copy < 0 ? -errno : copy;
}

/* The first that waits begins the time for all. */
static int ticks_within_ms(struct fdlook *look)
{
	uint64_t now = io_monotonic_ns();

	if (!look->ticks_by_ns)
		look->ticks_by_ns = now + TICK_MS * 1000000ull;
	return now < look->ticks_by_ns
		       ? (int)((look->ticks_by_ns - now) / 1000000 + 1)
		       : 0;
}

bool fdlook_wait_tick(struct fdlook *look, int32_t fd)
{
	CLEANUP_CLOSE int copy = fdlook_copy(look, fd);
	struct pollfd readable = {.fd = copy, .events = POLLIN};

	return copy >= 0 && poll(&readable, 1, ticks_within_ms(look)) > 0;
}

int fdlook_compare(struct fdlook *look, int32_t a, int32_t b)
{
	long order = syscall(SYS_kcmp, look->pid, look->pid, KCMP_FILE, a, b);

	/* 1: less, 2: greater; else fall back to the numbers. */
	if (!order)
		return 0;
	if (order == 1 || order == 2)
		return order == 1 ? -1 : 1;
	return a < b ? -1 : a > b;
}

int fdlook_compare_watched(struct fdlook *look, int32_t fd,
			   const struct fdlook_slot *slot, int *ret_order)
{
	struct kcmp_epoll_slot asked = {
		.efd = (uint32_t)slot->epfd,
		.tfd = (uint32_t)slot->fd,
		.toff = slot->place,
	};
	long order = syscall(SYS_kcmp, look->pid, look->pid, KCMP_EPOLL_TFD, fd,
			     &asked);

	if (order < 0)
		return -errno;
	if (order > 2)
		return -EOPNOTSUPP;
	*ret_order = order == 1 ? -1 : (int)order;
	return 0;
}

/* Pseudo-terminals have no entry in sysfs; Documentation/admin-guide/devices.
 */
static bool is_tty(uint64_t rdev)
{
	char path[64], target[256];
	unsigned number = major(rdev);
	ssize_t len;

	if (number == 4 || number == 5 || (number >= 136 && number <= 143))
		return true;
	(void)snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem",
		       number, minor(rdev));
	len = readlink(path, target, sizeof(target));
	return len >= 4 && !memcmp(target + len - 4, "/tty", 4);
}

static enum image_fd_kind kind_by_name(const char *path)
{
	static const struct {
		const char *path;
		enum image_fd_kind kind;
	} kinds[] = {
		{"anon_inode:[eventpoll]", IMAGE_FD_EPOLL},
		{"anon_inode:[eventfd]", IMAGE_FD_EVENTFD},
		{"anon_inode:[timerfd]", IMAGE_FD_TIMERFD},
		{"anon_inode:[signalfd]", IMAGE_FD_SIGNALFD},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(path, kinds[i].path))
			return kinds[i].kind;
	return IMAGE_FD_UNSUPPORTED;
}

static enum image_fd_kind kind_of(const struct image_fd *image_fd)
{
	const char *path = image_fd->path;

	if (S_ISFIFO(image_fd->mode))
		return IMAGE_FD_PIPE;
	if (S_ISSOCK(image_fd->mode) && !strncmp(path, "socket:", 7))
		return IMAGE_FD_SOCKET;
	if (*path != '/')
		return kind_by_name(path);
	if (S_ISREG(image_fd->mode))
		return strncmp(path, "/memfd:", 7) ? IMAGE_FD_FILE
						   : IMAGE_FD_MEMFD;
	if (S_ISDIR(image_fd->mode))
		return IMAGE_FD_DIR;
	if (S_ISCHR(image_fd->mode))
		return is_tty(image_fd->dev) ? IMAGE_FD_TTY : IMAGE_FD_CHARDEV;
	return IMAGE_FD_UNSUPPORTED;
}

static int take_path(struct fdlook *look, struct image_fd *image_fd)
{
	char name[16], target[IMAGE_STRING_MAX + 1];
	ssize_t len = readlinkat(look->fd_dir, name_of(image_fd->fd, name),
				 target, sizeof(target) - 1);

	if (len < 0)
		return -ENOENT;
	free(image_fd->path);
	image_fd->path = strndup(target, (size_t)len);
	return image_fd->path ? 0 : -ENOMEM;
}

void fdlook_seals(struct fdlook *look, struct image_fd *image_fd)
{
	CLEANUP_CLOSE int copy = fdlook_copy(look, image_fd->fd);
	int seals = copy < 0 ? -1 : fcntl(copy, F_GET_SEALS);

	image_fd->value = seals < 0 ? F_SEAL_SEAL : (uint64_t)seals;
}

/* Where the kernel does not tell it, the socket has no peer that we know. */
static uint64_t peer_of(struct fdlook *look, const struct image_fd *image_fd)
{
	uint64_t peer;

	if (look->diag_fd < 0 && !look->hurries)
		look->diag_fd = unixpeer_open(look->pid);
	if (look->diag_fd < 0 ||
	    unixpeer_of(look->diag_fd, image_fd->inode, &peer))
		return 0;
	return peer;
}

int fdlook_peek(struct fdlook *look, struct image_fd *image_fd,
		uint32_t max_bytes)
{
	CLEANUP_CLOSE int copy = -1;

	if (peer_of(look, image_fd) != image_fd->value)
		return -ENOENT;
	copy = fdlook_copy(look, image_fd->fd);
	return copy < 0 ? copy : sockets_peek(copy, image_fd, max_bytes);
}

/*
 * Of what lives in the child; inside the pause only if they were not read
 * before, as they take as long as all the rest of a socket.
 */
static bool wants_options(const struct fdlook *look, enum image_fd_kind was,
			  const struct image_fd *image_fd, bool settled)
{
	if (image_fd->kind == IMAGE_FD_LISTENER)
		return !look->hurries || was != IMAGE_FD_LISTENER;
	return image_fd->domain == AF_UNIX && settled;
}

static int ask_socket(struct fdlook *look, int copy, enum image_fd_kind was,
		      struct image_fd *image_fd, bool *ret_settled)
{
	int rc = sockets_look(copy, image_fd, ret_settled);

	if (!rc && wants_options(look, was, image_fd, *ret_settled))
		rc = sockets_take_options(copy, image_fd);
	image_fd->value = 0;
	if (!rc && *ret_settled && image_fd->kind == IMAGE_FD_SOCKET &&
	    image_fd->domain == AF_UNIX)
		image_fd->value = peer_of(look, image_fd);
	return rc;
}

/* An O_PATH descriptor has no socket behind it to be asked. */
static int ask_copy(struct fdlook *look, enum image_fd_kind was,
		    struct image_fd *image_fd, bool *ret_settled)
{
	CLEANUP_CLOSE int copy = -1;

	if (image_fd->open_flags & O_PATH)
		return 0;
	copy = fdlook_copy(look, image_fd->fd);
	return copy < 0 ? 0
			: ask_socket(look, copy, was, image_fd, ret_settled);
}

int fdlook_identify(struct fdlook *look, struct image_fd *image_fd,
		    bool *ret_settled, struct refusal *why)
{
	const enum image_fd_kind was = image_fd->kind;
	int rc = take_path(look, image_fd);

	if (rc)
		return rc;
	rc = fdlook_stat(look, image_fd);
	if (rc)
		return rc;
	if (!strcmp(image_fd->path, "anon_inode:[io_uring]"))
		return refuse(why, -EOPNOTSUPP,
			      "descriptor %d is an io_uring, which lives in "
			      "the kernel and cannot be imaged",
			      image_fd->fd);
	image_fd->kind = kind_of(image_fd);
	*ret_settled = true;
	if (image_fd->kind == IMAGE_FD_SOCKET)
		return ask_copy(look, was, image_fd, ret_settled);
	return 0;
}
