/* SPDX-License-Identifier: MIT */
/*
 * fate.h - what becomes of each file descriptor, decided before anything is
 * made
 *
 *   regular file, directory, device   reopened by its path
 *   the process's own in a procfs     the child's own: loader/procpath.h
 *   terminal, pipe, socket of stdio   the loader's own stdin, stdout, stderr
 *   pipe with both ends in the image,
 *   FIFO opened O_RDWR                made anew, unread bytes put back
 *   unix sockets, connected, both in
 *   the image                         made anew, unread bytes put back
 *   other pipe, connected socket      dead: end of file, EPIPE
 *   listener, UDP without a peer      bound anew
 *   eventfd, timerfd, signalfd, epoll made anew with their values
 *   memfd, deleted file               the memory that the image maps from it,
 *                                     or a memfd with the bytes of the image
 *   anything else                     refused, unless --fd N=PATH says what
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "loader/why.h"

enum fate_kind {
	FATE_DUP,      /* of the image's descriptor @number */
	FATE_REOPEN,   /* its own path */
	FATE_PATH,     /* --fd N=PATH */
	FATE_OWN,      /* --fd N=M: the loader's descriptor of choice @number */
	FATE_STDIO,    /* the loader's 0, 1 or 2: @number */
	FATE_TERMINAL, /* the controlling terminal */
	FATE_PIPE,
	FATE_DEAD_PIPE,
	FATE_DEAD_SOCKET,
	FATE_PAIR, /* one of two unix sockets */
	FATE_LISTENER,
	FATE_EVENTFD,
	FATE_TIMERFD,
	FATE_SIGNALFD,
	FATE_EPOLL,
	FATE_MEMFD,
};

struct fate {
	enum fate_kind kind;
	int number;
	const char *path; /* FATE_PATH: borrowed from the options */
};

/* --fd N=PATH (@own_fd -1) or --fd N=M (@path NULL). */
struct fate_choice {
	int fd, own_fd;
	const char *path;
};

struct fate_port {
	uint16_t from, to;
};

struct fate_options {
	const struct fate_choice *choices;
	unsigned nr_choices;
	const struct fate_port *ports; /* --port OLD=NEW, for listeners */
	unsigned nr_ports;
};

/*
 * Fill @ret_fates, one for each of image->fds.  One that can not be had is
 * FATE_PATH without a path, and the others are decided all the same.
 *
 * Returns 0, or with words in @why
 *   -EOPNOTSUPP  about the first descriptor that can not be had: unsupported,
 *                or deleted, or a memfd, whose content is not in the image
 *   -EINVAL      a choice is about a descriptor or a port that is not there
 */
int fate_decide(const struct image *image, const struct fate_options *options,
		struct fate *ret_fates, struct why *why);

/* Do both stand for one file: one pipe, one terminal? */
bool fate_is_same_file(const struct image_fd *a, const struct image_fd *b);

/*
 * The other end of the pipe image->fds[@i] in the image, or NULL: itself when
 * it has both directions.
 */
const struct image_fd *fate_far_end(const struct image *image, uint32_t i);

/*
 * The descriptor of the image that has all bytes of the file behind @fd, a
 * nameless one, or NULL: @fd itself, or another of the same file.
 */
const struct image_fd *fate_bytes(const struct image *image,
				  const struct image_fd *fd);

/* The unix socket of the image that image->fds[@i] is connected to, or NULL. */
const struct image_fd *fate_peer(const struct image *image, uint32_t i);

/*
 * "2 connected sockets are closed, 1 pipe has lost its far end", or "" when all
 * descriptors live.
 */
void fate_describe_dead(const struct fate *fates, uint32_t nr, char *ret_text,
			size_t size);
