/* SPDX-License-Identifier: MIT */
/*
 * serve_children.h - the children of a loader that serves, each with its client
 *
 * Above: serve.c, which waits.  Below: charge.c, a child each; worlds.c, where
 * they are; serve_client.c, which is told what becomes of them.
 *
 * One thread.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "loader/charge.h"
#include "loader/serve_client.h"
#include "loader/serve_image.h"

struct serve_child {
	struct charge charge; /* CHARGE_NONE: a free place */
	struct serve_client *client;
	struct serve_image *image;
	uint32_t index; /* among the client's */
	bool runs, told;
	bool killed; /* by us: its world ends, too */
};

struct serve_children {
	struct serve_child *places;
	unsigned nr_places; /* for children, and worlds that still end */
	unsigned max;	    /* children at once */
};

/* 0 or -ENOMEM; serve_children_done() either way. */
int serve_children_init(struct serve_children *children, unsigned max);

/* All have ended, but for what those without an init have left running. */
void serve_children_done(struct serve_children *children);

/*
 * Start what @client asked for, of @image.  0, or -errno with words: then
 * serve_children_refuse() ends those that were started.
 */
int serve_children_start(struct serve_children *children,
			 struct serve_client *client, struct serve_image *image,
			 struct why *why);

/*
 * Tell @client, if it is not over, that it gets no children; those that it has
 * end.
 */
void serve_children_refuse(struct serve_children *children,
			   struct serve_client *client, int error,
			   const char *words);

/* Send @signo to those of @client. */
void serve_children_signal(const struct serve_children *children,
			   const struct serve_client *client, int signo);

/* Kill those of @client, or all without one. */
void serve_children_kill(struct serve_children *children,
			 const struct serve_client *client);

/* Those of @image cannot be kept right: its watchdog has ended. */
void serve_children_unguarded(struct serve_children *children,
			      const struct serve_image *image);

/* Whether one is still to be waited for. */
bool serve_children_any(const struct serve_children *children);

/* Whether there is more to do, without anything to wait for. */
bool serve_children_busy(const struct serve_children *children);

/* Fill in CHARGE_POLLS for each child; how many. */
unsigned serve_children_polls(const struct serve_children *children,
			      struct pollfd *polls);

/*
 * Do what is due after poll(2) filled @polls.  No child may have come or gone
 * since serve_children_polls().  How many they were.
 */
unsigned serve_children_step(struct serve_children *children,
			     const struct pollfd *polls);

/* The process @pid has ended: whether it was one of these. */
bool serve_children_reaped(struct serve_children *children, pid_t pid,
			   int status);
