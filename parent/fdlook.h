/* SPDX-License-Identifier: MIT */
/*
 * fdlook.h - look at one descriptor of another process
 *
 * Above: fds.c, which knows when to look.  Below: /proc/PID/{fd,fdinfo},
 * pidfd_getfd(2), kcmp(2).  Any error may mean that the target closed the
 * descriptor meanwhile: -ENOENT says so.  Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/fdinfo.h"
#include "parent/refusal.h"

/* The open ways to one process; a zeroed one with -1 in its fds is closed. */
struct fdlook {
	pid_t pid;
	int pid_fd, fd_dir, fdinfo_dir;
	int diag_fd;  /* from the first pair of unix sockets on */
	bool hurries; /* the target stands still: open nothing, load nothing */
	uint64_t ticks_by_ns; /* when to wait for timers' ticks no more */
	char *buf;	      /* for fdinfo texts, kept from look to look */
	size_t buf_bytes;
};

/* 0, -ESRCH, -EACCES, -ENOMEM, -errno.  fdlook_close() in any case. */
int fdlook_open(pid_t pid, struct fdlook *look);
void fdlook_close(struct fdlook *look);

/* fdinfo_parse() of descriptor @fd; -ENOENT when there is none. */
int fdlook_info(struct fdlook *look, int32_t fd, struct fdinfo *ret_info,
		struct fdinfo_watches *watches);

/*
 * Fill path, stat, kind and, for sockets and pipes, what a copy of the
 * descriptor tells, of @image_fd, which has fd and open_flags.  The copy is
 * closed again.  The value of a connected unix socket is the inode of its peer,
 * or 0.  @ret_settled: see sockets_look(); true for all but sockets.
 *
 * Returns 0, -ENOENT, -ENOMEM, -EOPNOTSUPP for an io_uring with words in @why.
 */
int fdlook_identify(struct fdlook *look, struct image_fd *image_fd,
		    bool *ret_settled, struct refusal *why);

/* Only dev, inode, mode, size_bytes and mtime_ns.  0 or -ENOENT. */
int fdlook_stat(struct fdlook *look, struct image_fd *image_fd);

/* The seals of the memfd @image_fd, as its value. */
void fdlook_seals(struct fdlook *look, struct image_fd *image_fd);

/*
 * sockets_peek() into the unix socket @image_fd, whose value is its peer; also
 * -ENOENT if that is its peer no more, or a direction was shut down.
 */
int fdlook_peek(struct fdlook *look, struct image_fd *image_fd,
		uint32_t max_bytes);

/*
 * A copy of @fd (close-on-exec) that the caller closes at once, or -errno.
 */
int fdlook_copy(struct fdlook *look, int32_t fd);

/*
 * Wait for the tick of the timer @fd: 10 ms from the first call on, for all
 * timers together.  Whether it has one now.
 */
bool fdlook_wait_tick(struct fdlook *look, int32_t fd);

/*
 * Order of the open file descriptions behind two descriptors: negative, 0 when
 * it is one description, or positive.  Without kcmp(2) no two are one.
 */
int fdlook_compare(struct fdlook *look, int32_t a, int32_t b);

/* A watch of the set @epfd: number @place, from 0, of those of @fd. */
struct fdlook_slot {
	int32_t epfd, fd;
	uint32_t place;
};

/*
 * fdlook_compare() of @fd with the open file description that @slot watches,
 * into *@ret_order.  The kernel walks the set from its first watch to that one.
 *
 * Returns 0, or -errno when the kernel does not tell (CONFIG_KCMP) or the
 * target, as it runs, has changed that meanwhile.
 */
int fdlook_compare_watched(struct fdlook *look, int32_t fd,
			   const struct fdlook_slot *slot, int *ret_order);
