/* SPDX-License-Identifier: MIT */
/*
 * io.c - system calls repeated until they have done all of the work
 */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"

#define FDS_MAX		  16u
#define SLURP_FIRST_BYTES ((size_t)4096)

int io_read_all(int fd, void *buf, size_t len)
{
	char *at = buf;

	while (len) {
		ssize_t got = read(fd, at, len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ENODATA;
		at += got;
		len -= (size_t)got;
	}
	return 0;
}

int io_write_all(int fd, const void *buf, size_t len)
{
	const char *at = buf;

	while (len) {
		ssize_t put = write(fd, at, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

int io_pread_all(int fd, void *buf, size_t len, off_t offset)
{
	char *at = buf;

	while (len) {
		ssize_t got = pread(fd, at, len, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ENODATA;
		at += got;
		offset += got;
		len -= (size_t)got;
	}
	return 0;
}

/* read() up to @len bytes, or -errno: one call, as often as it takes. */
static ssize_t read_some(int fd, void *buf, size_t len)
{
	ssize_t got;

	do
		got = read(fd, buf, len);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/*
 * Double *@buf, but let it hold no more than @max bytes, a NUL, and one more:
 * the byte that proves the file too long.
 */
static int slurp_grow(char **buf, size_t *size, size_t max, size_t first)
{
	size_t bytes = *size ? *size * 2 : first;
	char *grown;

	if (bytes > max && bytes - max > 2)
		bytes = max + 2;
	grown = realloc(*buf, bytes);
	if (!grown)
		return -ENOMEM;
	page_populate(grown + *size, bytes - *size);
	*buf = grown;
	*size = bytes;
	return 0;
}

/* What a file says of its size is a hint: files of /proc say 0. */
static size_t slurp_first(int fd, size_t max)
{
	struct stat file;

	if (fstat(fd, &file) < 0 || file.st_size <= 0 ||
	    (uint64_t)file.st_size > max)
		return SLURP_FIRST_BYTES;
	return (size_t)file.st_size + 2;
}

int io_slurp_at(int dirfd, const char *path, size_t max, char **ret_buf,
		size_t *ret_len)
{
	CLEANUP_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *buf = NULL;
	size_t size = 0, len = 0, first;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	first = slurp_first(fd, max);
	while (got) {
		if (len + 1 >= size) {
			int error = slurp_grow(&buf, &size, max, first);

			if (error)
				return error;
		}
		got = read_some(fd, buf + len, size - len - 1);
		if (got < 0)
			return (int)got;
		len += (size_t)got;
		if (len > max)
			return -EFBIG;
	}
	buf[len] = '\0';
	*ret_buf = steal_ptr(&buf);
	*ret_len = len;
	return 0;
}

static int pwrite_all(int fd, const char *at, size_t len)
{
	off_t offset = 0;

	while (len) {
		ssize_t put = pwrite(fd, at, len, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		offset += put;
		len -= (size_t)put;
	}
	return 0;
}

const char *io_strerror(int error)
{
	if (error == -EFBIG)
		return "longer than a file may be here (RLIMIT_FSIZE: ulimit "
		       "-f, LimitFSIZE=)";
	return strerror(-error);
}

int io_memfd(const char *name, const void *buf, size_t len, int *ret_fd)
{
	CLEANUP_CLOSE int fd =
		memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const int seals =
		F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int error;

	if (fd < 0)
		return -errno;
	error = pwrite_all(fd, buf, len);
	if (error)
		return error;
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int io_readlink(const char *path, char **ret_text)
{
	char text[PATH_MAX + 1];
	ssize_t len = readlink(path, text, sizeof(text));

	if (len < 0)
		return -errno;
	if (len > PATH_MAX)
		return -ENAMETOOLONG;
	text[len] = '\0';
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

/* Room for a control message of FDS_MAX descriptors, aligned as one. */
union fds_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
};

static void control_fill(struct msghdr *message, union fds_control *control,
			 const int *fds, unsigned nr_fds)
{
	struct cmsghdr *header;

	if (!nr_fds)
		return;
	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
	memcpy(CMSG_DATA(header), fds, sizeof(int) * nr_fds);
}

int io_send_fds(int sock, const void *buf, size_t len, const int *fds,
		unsigned nr_fds)
{
	union fds_control control;
	const char *at = buf;

	if (nr_fds > FDS_MAX || !len)
		return -EINVAL;
	while (len) {
		struct iovec iov = {.iov_base = (void *)at, .iov_len = len};
		struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t put;

		control_fill(&message, &control, fds, nr_fds);
		put = sendmsg(sock, &message, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		nr_fds = 0; /* they went with the first byte */
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

/* The descriptors received so far, and room for those of a bad sender. */
struct fd_list {
	int fds[FDS_MAX];
	unsigned nr;
	int error;
};

static void fd_list_close(struct fd_list *list)
{
	for (unsigned i = 0; i < list->nr; i++)
		(void)close(list->fds[i]);
	list->nr = 0;
}

static void fd_list_take(struct fd_list *list, const struct cmsghdr *header,
			 unsigned max)
{
	size_t nr = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	const unsigned char *data = CMSG_DATA(header);

	for (size_t i = 0; i < nr; i++) {
		int fd;

		memcpy(&fd, data + i * sizeof(int), sizeof(fd));
		if (list->nr < max) {
			list->fds[list->nr++] = fd;
			continue;
		}
		(void)close(fd);
		list->error = -EPROTO;
	}
}

/* One recvmsg(); the bytes received, or -errno. */
static ssize_t recv_some(int sock, void *buf, size_t len, struct fd_list *list,
			 unsigned max)
{
	union fds_control control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header;
	ssize_t got;

	do
		got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (header = CMSG_FIRSTHDR(&message); header;
	     header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_level == SOL_SOCKET &&
		    header->cmsg_type == SCM_RIGHTS)
			fd_list_take(list, header, max);
	if (message.msg_flags & MSG_CTRUNC)
		list->error = -EPROTO;
	if (list->error)
		return list->error;
	return got ? got : -ENODATA;
}

int io_recv_fds(int sock, void *buf, size_t len, int *fds, unsigned max_fds,
		unsigned *ret_nr_fds)
{
	CLEANUP(fd_list_close) struct fd_list list = {.nr = 0};
	unsigned max = max_fds < FDS_MAX ? max_fds : FDS_MAX;
	char *at = buf;

	while (len) {
		ssize_t got = recv_some(sock, at, len, &list, max);

		if (got < 0)
			return (int)got;
		at += got;
		len -= (size_t)got;
	}
	if (list.nr)
		memcpy(fds, list.fds, list.nr * sizeof(int));
	*ret_nr_fds = list.nr;
	list.nr = 0; /* the caller's now */
	return 0;
}

struct timespec io_in_ms(int ms)
{
	uint64_t ns = io_monotonic_ns() + (uint64_t)ms * 1000000u;

	return (struct timespec){(time_t)(ns / 1000000000u),
				 (long)(ns % 1000000000u)};
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now); /* fails for unknown clocks only */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t io_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t io_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
