/* SPDX-License-Identifier: MIT */
/*
 * fdinfo.h - one text of /proc/PID/fdinfo, checked
 *
 * Above: fds.c, inside the pause too.  Format: proc_pid_fdinfo(5),
 * Documentation/filesystems/proc.rst section 3.8.  No state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

/* Which lines a text had, beyond those of every descriptor. */
enum fdinfo_has {
	FDINFO_EVENTFD = 1 << 0,
	FDINFO_TIMERFD = 1 << 1,
	FDINFO_SIGNALFD = 1 << 2,
	FDINFO_EPOLL = 1 << 3,
};

struct fdinfo {
	uint64_t pos_bytes;
	uint32_t flags;	      /* O_*, with O_CLOEXEC */
	uint64_t mnt_id, ino; /* ino: Linux 5.14, else 0 */
	unsigned has;	      /* enum fdinfo_has */
	uint64_t value;	      /* as image_fd.value */
	bool semaphore;	      /* eventfd */
	uint64_t eventfd_id;  /* no two have it; 0: not told */
	int32_t clockid;      /* timerfd */
	uint64_t value_ns, interval_ns;
};

/* What is known of the file that a watch is of: fdwatch.h. */
enum fdinfo_doubt {
	FDINFO_SURE,
	FDINFO_WAS_SURE, /* at the look before, and nothing seems to differ */
	FDINFO_NUMBER,	 /* the number is open, and may be that file */
	FDINFO_LOST,	 /* it is not */
};

/* One watched descriptor of an epoll set. */
struct fdinfo_watch {
	struct image_epoll epoll;
	uint64_t ino; /* of the watched file */
	enum fdinfo_doubt doubt;
	bool is_alone; /* it is of a socket: sure without a question */
};

struct fdinfo_watches {
	struct fdinfo_watch *items; /* free() */
	uint32_t nr, cap;
};

/*
 * Can a timerfd that says @now, and said @old @passed_ns ago, be about to tick?
 *
 * One that runs out shows no time left before it shows a tick, which comes with
 * an interrupt, maybe of another CPU; and so does one whose tick was read, and
 * a periodic one that was stopped.  Only who waits for a moment can tell them
 * apart: taken for one that is off, a child would wait for its tick for ever.
 */
bool fdinfo_may_tick(const struct fdinfo *old, const struct fdinfo *now,
		     uint64_t passed_ns);

/*
 * Parse the text of descriptor @fd.  The watches of an epoll set are added to
 * @watches, also when a later line is bad.
 *
 * Returns 0, -EPROTO, -E2BIG past IMAGE_EPOLLS_MAX watches, or -ENOMEM.
 */
int fdinfo_parse(int32_t fd, const char *text, size_t len_bytes,
		 struct fdinfo *ret_info, struct fdinfo_watches *watches);
