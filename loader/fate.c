/* SPDX-License-Identifier: MIT */
/*
 * fate.c - one decision for each kind; choices of the user come first
 */
#include "loader/fate.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* In so many pieces a file may be mapped; it is for memory, not for a puzzle.
 */
#define PIECES_MAX 256

static bool writes(const struct image_fd *fd)
{
	return (fd->open_flags & O_ACCMODE) != O_RDONLY;
}

static bool reads(const struct image_fd *fd)
{
	return (fd->open_flags & O_ACCMODE) != O_WRONLY &&
	       !(fd->open_flags & O_PATH);
}

bool fate_is_same_file(const struct image_fd *a, const struct image_fd *b)
{
	return a->kind == b->kind && a->inode == b->inode && a->dev == b->dev;
}

/*
 * A description of both directions is a pipe by itself (a FIFO opened O_RDWR);
 * as standard input or output it is how somebody else is spoken to.
 */
static bool is_far_end(const struct image_fd *end, const struct image_fd *far)
{
	if (end == far)
		return end->fd > 2 && reads(end) && writes(end);
	return fate_is_same_file(end, far) &&
	       ((reads(end) && writes(far)) || (writes(end) && reads(far)));
}

const struct image_fd *fate_far_end(const struct image *image, uint32_t i)
{
	const struct image_fd *fd = &image->fds[i];

	for (uint32_t k = 0; k < image->nr_fds; k++)
		if (is_far_end(fd, &image->fds[k]) &&
		    image->fds[k].same_as != fd->fd)
			return &image->fds[k];
	return NULL;
}

static bool are_peers(const struct image_fd *a, const struct image_fd *b)
{
	return a->kind == IMAGE_FD_SOCKET && b->kind == IMAGE_FD_SOCKET &&
	       a->value && a->value == b->inode && b->value == a->inode &&
	       a->domain == AF_UNIX && b->domain == AF_UNIX &&
	       a->type == b->type && a->inode != b->inode && a->same_as < 0 &&
	       b->same_as < 0;
}

const struct image_fd *fate_peer(const struct image *image, uint32_t i)
{
	for (uint32_t k = 0; image->fds[i].value && k < image->nr_fds; k++)
		if (are_peers(&image->fds[i], &image->fds[k]))
			return &image->fds[k];
	return NULL;
}

static bool is_stream(const struct image_fd *fd)
{
	return fd->kind == IMAGE_FD_TTY || fd->kind == IMAGE_FD_PIPE ||
	       fd->kind == IMAGE_FD_SOCKET;
}

/* The number in 0..2 whose stream @fd is, or -1. */
static int stdio_number(const struct image *image, const struct image_fd *fd)
{
	if (!is_stream(fd))
		return -1;
	if (fd->fd <= 2)
		return fd->fd;
	for (uint32_t k = 0; k < image->nr_fds && image->fds[k].fd <= 2; k++)
		if (fate_is_same_file(&image->fds[k], fd) &&
		    (fd->kind == IMAGE_FD_TTY ||
		     writes(&image->fds[k]) == writes(fd)))
			return image->fds[k].fd;
	return -1;
}

const struct image_fd *fate_bytes(const struct image *image,
				  const struct image_fd *fd)
{
	if (fd->data_bytes == fd->size_bytes)
		return fd;
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (fate_is_same_file(&image->fds[i], fd) &&
		    image->fds[i].data_bytes == fd->size_bytes)
			return &image->fds[i];
	return NULL;
}

/* How far the maps of @fd go on from byte @at; @at when none has it. */
static uint64_t mapped_until(const struct image *image,
			     const struct image_fd *fd, uint64_t at)
{
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		uint64_t bytes = vma->end - vma->start;

		if (image_fd_is_mapped_at(fd, vma) && vma->offset_bytes <= at &&
		    at - vma->offset_bytes < bytes)
			return vma->offset_bytes + bytes;
	}
	return at;
}

/* All of it, or all that there is to know: what is mapped is in the image. */
static bool has_bytes(const struct image *image, const struct image_fd *fd)
{
	uint64_t at = 0, from = UINT64_MAX;

	if (fate_bytes(image, fd))
		return true;
	for (int i = 0; at < fd->size_bytes && at != from && i < PIECES_MAX;
	     i++) {
		from = at;
		at = mapped_until(image, fd, at);
	}
	return at >= fd->size_bytes;
}

static int refuse_fd(const struct image_fd *fd, const char *reason,
		     struct why *why)
{
	return why_set(why, -EOPNOTSUPP,
		       "descriptor %d (%s) %s: give another with --fd %d=PATH",
		       fd->fd, fd->path, reason, fd->fd);
}

static int decide_nameless(const struct image *image, const struct image_fd *fd,
			   struct fate *ret, struct why *why)
{
	ret->kind = FATE_MEMFD;
	if (has_bytes(image, fd))
		return 0;
	return refuse_fd(fd,
			 fd->kind == IMAGE_FD_MEMFD
				 ? "holds bytes that the parent had not mapped"
				 : "was deleted in the parent",
			 why);
}

static int decide_file(const struct image_fd *fd, struct fate *ret,
		       struct why *why)
{
	if (image_fd_is_deleted(fd))
		return refuse_fd(fd, "was deleted in the parent", why);
	if (fd->path[0] != '/')
		return refuse_fd(fd, "has no path", why);
	ret->kind = FATE_REOPEN;
	return 0;
}

static int decide_pipe(const struct image *image, uint32_t i, struct fate *ret)
{
	bool whole = fate_far_end(image, i) != NULL;
	int number = stdio_number(image, &image->fds[i]);

	ret->kind = whole ? FATE_PIPE : FATE_DEAD_PIPE;
	if (whole || number < 0)
		return 0;
	*ret = (struct fate){.kind = FATE_STDIO, .number = number};
	return 0;
}

static int decide_stream(const struct image *image, uint32_t i,
			 struct fate *ret)
{
	const struct image_fd *fd = &image->fds[i];
	int number = stdio_number(image, fd);

	if (fate_peer(image, i)) {
		ret->kind = FATE_PAIR;
		return 0;
	}
	ret->kind = fd->kind == IMAGE_FD_TTY ? FATE_TERMINAL : FATE_DEAD_SOCKET;
	if (number >= 0)
		*ret = (struct fate){.kind = FATE_STDIO, .number = number};
	return 0;
}

static int decide_kind(const struct image *image, uint32_t i, struct fate *ret,
		       struct why *why)
{
	const struct image_fd *fd = &image->fds[i];

	if (image_fd_is_nameless(fd))
		return decide_nameless(image, fd, ret, why);
	switch (fd->kind) {
	case IMAGE_FD_FILE:
	case IMAGE_FD_DIR:
	case IMAGE_FD_CHARDEV:
		return decide_file(fd, ret, why);
	case IMAGE_FD_PIPE:
		return decide_pipe(image, i, ret);
	case IMAGE_FD_TTY:
	case IMAGE_FD_SOCKET:
		return decide_stream(image, i, ret);
	case IMAGE_FD_EVENTFD:
		ret->kind = FATE_EVENTFD;
		return 0;
	case IMAGE_FD_EPOLL:
		ret->kind = FATE_EPOLL;
		return 0;
	case IMAGE_FD_TIMERFD:
		ret->kind = FATE_TIMERFD;
		return 0;
	case IMAGE_FD_SIGNALFD:
		ret->kind = FATE_SIGNALFD;
		return 0;
	case IMAGE_FD_LISTENER:
		ret->kind = FATE_LISTENER;
		return 0;
	default:
		return refuse_fd(fd, "is of a kind that cannot be remade", why);
	}
}

static const struct fate_choice *choice_for(const struct fate_options *options,
					    int fd)
{
	for (unsigned i = 0; i < options->nr_choices; i++)
		if (options->choices[i].fd == fd)
			return &options->choices[i];
	return NULL;
}

static int decide(const struct image *image, const struct fate_options *options,
		  uint32_t i, struct fate *ret, struct why *why)
{
	const struct image_fd *fd = &image->fds[i];
	const struct fate_choice *choice = choice_for(options, fd->fd);

	memset(ret, 0, sizeof(*ret));
	if (choice && choice->path) {
		*ret = (struct fate){.kind = FATE_PATH, .path = choice->path};
		return 0;
	}
	if (choice) {
		*ret = (struct fate){.kind = FATE_OWN,
				     .number =
					     (int)(choice - options->choices)};
		return 0;
	}
	if (fd->same_as >= 0 && fd->same_as < fd->fd) {
		*ret = (struct fate){.kind = FATE_DUP, .number = fd->same_as};
		return 0;
	}
	return decide_kind(image, i, ret, why);
}

static bool has_fd(const struct image *image, int fd)
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (image->fds[i].fd == fd)
			return true;
	return false;
}

/* The port is at one place in addresses of both kinds. */
static bool listens_on(const struct image_fd *fd, uint16_t port)
{
	struct sockaddr_in address;

	if (fd->kind != IMAGE_FD_LISTENER || fd->data_bytes < sizeof(address))
		return false;
	memcpy(&address, fd->data, sizeof(address));
	return (address.sin_family == AF_INET ||
		address.sin_family == AF_INET6) &&
	       ntohs(address.sin_port) == port;
}

static bool has_listener(const struct image *image, uint16_t port)
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (listens_on(&image->fds[i], port))
			return true;
	return false;
}

/* A choice about nothing is a slip that would show as something else later. */
static int check_choices(const struct image *image,
			 const struct fate_options *options, struct why *why)
{
	for (unsigned i = 0; i < options->nr_choices; i++)
		if (!has_fd(image, options->choices[i].fd))
			return why_set(why, -EINVAL,
				       "--fd %d: the parent had no such "
				       "descriptor (see the image's fd/)",
				       options->choices[i].fd);
	for (unsigned i = 0; i < options->nr_ports; i++)
		if (!has_listener(image, options->ports[i].from))
			return why_set(why, -EINVAL,
				       "--port %u: the parent had no listener "
				       "there",
				       options->ports[i].from);
	return 0;
}

int fate_decide(const struct image *image, const struct fate_options *options,
		struct fate *ret_fates, struct why *why)
{
	int first = check_choices(image, options, why);

	for (uint32_t i = 0; i < image->nr_fds; i++) {
		int error = decide(image, options, i, &ret_fates[i], why);

		if (error)
			ret_fates[i] = (struct fate){.kind = FATE_PATH};
		if (!first)
			first = error;
	}
	return first;
}

void fate_describe_dead(const struct fate *fates, uint32_t nr, char *ret_text,
			size_t size)
{
	unsigned pipes = 0, sockets = 0;

	for (uint32_t i = 0; i < nr; i++) {
		pipes += fates[i].kind == FATE_DEAD_PIPE;
		sockets += fates[i].kind == FATE_DEAD_SOCKET;
	}
	ret_text[0] = '\0';
	if (!pipes && !sockets)
		return;
	(void)snprintf(ret_text, size,
		       "dead in the child: %u socket%s, %u pipe end%s whose "
		       "far end is outside the image",
		       sockets, sockets == 1 ? "" : "s", pipes,
		       pipes == 1 ? "" : "s");
}
