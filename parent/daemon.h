/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - one process that keeps images and serves them: mitosisd's inside
 *
 *     tools/mitosisd.c   options, sockets, signals
 *       daemon.c         the parts, and time
 *         session.c      one client's requests, its handles
 *         prepare.c         one image's keeper, and who waits for it
 *           registry.c   names, keys, leases, who may read
 *           exports.c    who has rkeys of the image, until when
 *         rdmafetch/tcp_serve.c   sockets, frames, READs
 *         rdmafetch/verbs_serve.c RDMA connections, messages, READs
 *         rdmafetch/verbs_ud_serve.c  RDMA datagrams, messages
 *           rdmafetch/loop.c      io_uring
 *
 * Threads: one, and no locks.  It blocks in the kernel only: for pages of
 * snapshots, for the user database when a TCP client joins (parent/peer.h), and
 * for the munged of this host, 2 s at most (rdmafetch/sec_munge.h).
 */
#pragma once

#include <stdint.h>

#include "common/report.h"
#include "parent/exports.h"
#include "parent/identity.h"
#include "parent/registry.h"
#include "parent/snapshot.h"
#include "parent/spare.h"
#include "parent/strangers.h"
#include "parent/turn.h"
#include "rdmafetch/loop.h"
#include "rdmafetch/tcp_serve.h"
#include "rdmafetch/verbs_serve.h"
#include "rdmafetch/verbs_ud_serve.h"

struct daemon_options {
	struct registry_options registry;
	struct serve_options serve;
	struct identity_policy identity;
	struct snapshot_options snapshot;
	bool pin;		       /* export by pinned copies: exports.h */
	void (*say)(const char *line); /* for a log; NULL: nothing is said */
};

extern const struct daemon_options daemon_defaults;

/* For session.c and prepare.c; others use the functions. */
struct daemon {
	struct daemon_options options;
	struct loop *loop;
	struct tcp_serve *serve;
	struct verbs_serve *verbs; /* NULL: no RDMA */
	struct verbs_ud_serve *datagrams;
	uint16_t rdma_port;
	struct registry *registry;
	struct prepared
		*dying;	    /* images without a name whose twins still end */
	struct turns turns; /* whose keeper may stop which process */
	struct exports_account exports;
	struct logbook strangers, deeds; /* who was turned away; images */
	struct loop_timer leases;
	struct spare spare; /* the keeper of the next image */
	struct loop_watch *stop_watch;
	uint64_t started_ns;
	uint64_t prepared, refused, ended; /* images, ever */
	uint64_t released, died;	   /* of ended */
	struct timing pauses, prepares;
};

/*
 * A daemon with no listener yet.  To be called by the thread that runs it.
 *
 * Returns 0, -EINVAL for options out of range, -ENOMEM, or -errno of
 * loop_open(): -ENOSYS or -EPERM where io_uring is off.
 */
int daemon_open(const struct daemon_options *options,
		struct daemon **ret_daemon);

/* Serve clients of the listening socket @fd, which it owns on success.
 * Returns 0 or -ENOMEM. */
int daemon_listen(struct daemon *daemon, int fd);

/*
 * Serve clients that come by RDMA to @addr (port 0: any), and tell those that
 * come otherwise; *@ret_port is the port.
 *
 * Returns 0, or -errno of verbs_serve_open() and verbs_serve_listen():
 * -EOPNOTSUPP, -ENODEV, -EADDRNOTAVAIL, -EADDRINUSE, ...
 */
int daemon_listen_rdma(struct daemon *daemon, const struct sockaddr *addr,
		       uint16_t *ret_port);

/* Run until @stop_fd is readable.  Returns 0 or -errno of the loop. */
int daemon_run(struct daemon *daemon, int stop_fd);

/* End all images and clients.  NULL and half-open are allowed. */
void daemon_close(struct daemon *daemon);

/* Deadlines have changed: look when the next lease ends. */
void daemon_rearm(struct daemon *daemon);

/* What the daemon tells about itself and, of the images, to @peer. */
void daemon_report(const struct daemon *daemon,
		   struct report_status *ret_status);
