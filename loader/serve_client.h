/* SPDX-License-Identifier: MIT */
/*
 * serve_client.h - one client of a loader that serves, and what it was told
 *
 * Above: serve.c, which has the children.  One thread.
 */
#pragma once

#include "loader/ask.h"
#include "loader/load.h"

struct serve_client {
	int sock;	  /* or -1: it has gone, or was cut off */
	bool asked;	  /* its one request has come */
	bool over;	  /* refused, or started */
	bool started;	  /* all its children run */
	unsigned nr_live; /* children that have not ended */
	unsigned nr_loading;
	struct ask ask;
	struct ask_message request; /* its descriptors */
	/* Of the image, with the client's choices. */
	struct load load;
	struct load_options options;
	struct fate_choice choices[ASK_CHOICES_MAX];
};

/*
 * Take the connection @sock, which becomes the client's, or is closed: only of
 * our own user and of root.  NULL without memory too.
 */
struct serve_client *serve_client_new(int sock);

/* Close and free; its children must have ended. */
void serve_client_free(struct serve_client *client);

/*
 * Take its request for children of @base, whose name it may not know.  0, or
 * -errno with words: it is to be refused.
 */
int serve_client_choose(struct serve_client *client, const struct load *base,
			struct why *why);

/* The descriptors of the request are not needed any more. */
void serve_client_drop_fds(struct serve_client *client);

/* Tell it something.  A client that does not listen is cut off. */
void serve_client_tell(struct serve_client *client, enum ask_type type,
		       uint32_t index, int32_t value);
void serve_client_tell_words(struct serve_client *client, enum ask_type type,
			     int32_t value, const char *words);
void serve_client_tell_pid(struct serve_client *client, uint32_t index,
			   int pidfd);

/* Hang up; idempotent. */
void serve_client_cut(struct serve_client *client);
