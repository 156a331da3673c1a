/* SPDX-License-Identifier: MIT */
/*
 * reach.h - a mitosisd, by whichever way leads to it
 *
 * With proto=auto a daemon is asked over TCP, whose HELLO tells where it
 * listens for RDMA; pages then come by RDMA if that can be had within a short
 * time, and by TCP if not, and the reason is kept for the status.  Each new
 * connection decides anew.  With proto=rdma nothing goes over TCP, with
 * proto=tcp all does.
 *
 * Above: tools/origin.c.  Below: rdmafetch/tcp.c, rdmafetch/verbs.c.
 *
 * Threads: ask from any; open from one at a time; words from any.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/wire.h"
#include "fs/options.h"
#include "fs/status.h"
#include "rdmafetch/tcp.h"
#include "rdmafetch/verbs.h"

struct reach {
	enum options_proto proto;
	struct tcp_address tcp;
	struct verbs_address verbs;
	struct verbs_refused *refused; /* ranges that no READ brings */
	bool wants_trace; /* with an image that is opened over TCP */
	pthread_mutex_t lock;
	char words[STATUS_TRANSPORT_MAX + 1]; /* under lock */
};

/* 0 or -ENOMEM.  @options lives longer. */
int reach_init(struct reach *reach, const struct options *options);

/* All zero is allowed. */
void reach_done(struct reach *reach);

/* A request, and how long its answer may take. */
struct reach_question {
	enum wire_type type;
	const void *body;
	size_t body_bytes;
	int timeout_ms;
};

/* Why a daemon did not do what it was asked for. */
struct reach_failure {
	/*
	 * The daemon said so, and the image is no more: no such name, another
	 * image of that name, or a daemon that was started anew with another
	 * version or another way to say who asks.  All else may pass while the
	 * image lives: a daemon without room or memory, or one that does not
	 * let us in just now (its keys, its clock, its user database), and
	 * whatever kept us from asking.  The errno tells none of this: a name that does not resolve
	 * is -ENOENT too.
	 */
	bool is_gone;
	char why[WIRE_WHY_MAX + 1]; /* never "" */
};

/*
 * Ask on a connection made for it.  *@ret_body, when @ret_body is not NULL, is
 * the caller's.  Returns 0, or with *@ret_failure set -errno: those of
 * tcp_control_hello() and verbs_control_hello(), or the daemon's refusal.
 */
int reach_ask(const struct reach *reach, const struct reach_question *question,
	      void **ret_body, size_t *ret_body_bytes,
	      struct reach_failure *ret_failure);

/* Open @image for reading.  Returns as reach_ask(). */
int reach_open(struct reach *reach, const struct wire_image *image,
	       struct transport **ret, struct tcp_opened *ret_opened,
	       struct reach_failure *ret_failure);

/* How the last reach_open() went: "tcp (why: ...)", "verbs (mlx5_0)". */
void reach_words(struct reach *reach, char text[STATUS_TRANSPORT_MAX + 1]);
