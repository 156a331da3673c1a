/* SPDX-License-Identifier: MIT */
/*
 * reach.h - a mitosisd, by whichever way leads to it
 *
 * With proto=auto a daemon is asked over TCP, whose HELLO tells where it listens
 * for RDMA; pages then come by RDMA if that can be had within a short time, and
 * by TCP if not, and the reason is kept for the status.  Each new connection
 * decides anew.  With proto=rdma nothing goes over TCP, with proto=tcp all does.
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

/*
 * Ask on a connection made for it.  *@ret_body, when @ret_body is not NULL, is
 * the caller's.  Returns 0 or -errno, with words in @why (WIRE_WHY_MAX + 1
 * bytes) for every error; those of tcp_control_hello() and verbs_control_hello(),
 * or the daemon's refusal.
 */
int reach_ask(const struct reach *reach, const struct reach_question *question,
	      void **ret_body, size_t *ret_body_bytes, char *why);

/* Why an image could not be opened. */
struct reach_failure {
	bool is_refusal; /* the daemon said so: it will not say yes later */
	char why[WIRE_WHY_MAX + 1]; /* never "" */
};

/*
 * Open @image for reading.  Returns 0, or -errno as reach_ask() with
 * *@ret_failure set.
 */
int reach_open(struct reach *reach, const struct wire_image *image,
	       struct transport **ret, struct tcp_opened *ret_opened,
	       struct reach_failure *ret_failure);

/* How the last reach_open() went: "tcp (why: ...)", "verbs (mlx5_0)". */
void reach_words(struct reach *reach, char text[STATUS_TRANSPORT_MAX + 1]);
