/* SPDX-License-Identifier: MIT */
/*
 * ctl_link.h - how mitosisctl reaches its mitosisd
 *
 *     a unix socket, TCP   rdmafetch/tcp_control.h
 *     RDMA datagrams       rdmafetch/verbs_ud_link.h
 *
 * Threads: one.  Calls block.
 */
#pragma once

#include <stdbool.h>

#include "rdmafetch/dgram_call.h"
#include "rdmafetch/sec.h"

/* What was said about where it is; NULL and 0 for what was not. */
struct ctl_where {
	const char *socket, *host;
	uint32_t port;
	const char *proto; /* "tcp" or "rdma-ud", with host */
	struct sec_words sec;
};

struct ctl_link;

/*
 * Whether @where is one place: 0, or -EINVAL after a line on standard error.
 */
int ctl_link_check(const struct ctl_where *where);

/*
 * Reach the daemon, @timeout_ms at most for that and for each call.  Returns 0,
 * or -errno: after a line on standard error, but where none runs here and none
 * was named, *@ret_absent is set and that line left to ctl_link_say_absent().
 */
int ctl_link_open(const struct ctl_where *where, int timeout_ms,
		  struct ctl_link **ret, bool *ret_absent);

/* No daemon is where it would be. */
void ctl_link_say_absent(void);

/* As dgram_ask(), whatever the link; with the errors of tcp_control_call(). */
int ctl_link_call(struct ctl_link *link, const struct dgram_question *question,
		  struct dgram_reply *ret, char *why);

/* NULL is allowed. */
void ctl_link_close(struct ctl_link *link);
