/* SPDX-License-Identifier: MIT */
/*
 * serve_client.h - one client of a loader that serves, and what it was told
 *
 * Above: serve.c, which has the children.  One thread, and no client makes it
 * wait: what is not there yet is heard another time, and who does not read what
 * it is told is cut off.
 */
#pragma once

#include "loader/ask.h"
#include "loader/load.h"

struct serve_client {
	int sock;	  /* or -1: it has gone, or was cut off */
	bool has_head;	  /* of its one request */
	bool asked;	  /* all of it has come */
	bool over;	  /* refused, or started */
	bool started;	  /* all its children run */
	bool parting;	  /* all is said: it has to go */
	bool left;	  /* nobody lists it; its last place frees it */
	unsigned nr_live; /* places that children of it have */
	unsigned nr_untold; /* children whose end it has not been told */
	unsigned nr_loading;
	uint64_t late_ns; /* CLOCK_MONOTONIC: when it must have asked, or gone */
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

/* What a client has said. */
enum serve_heard {
	SERVE_HEARD_PART,    /* of something */
	SERVE_HEARD_REQUEST, /* its body is in @room, client->request the rest */
	SERVE_HEARD_SIGNAL,  /* for its children */
	SERVE_HEARD_END,     /* it has gone, or says what must not come */
};

/*
 * Take what has come, of a request at most one packet, into @room (ASK_BODY_MAX
 * + 1 bytes).  @ret_signo is set for a signal.
 */
enum serve_heard serve_client_hear(struct serve_client *client, uint8_t *room,
				   int *ret_signo);

/*
 * How long to wait from @now_ns (CLOCK_MONOTONIC) on for its request, or, when
 * all is said, for its end: in ms, 0 when it is late, -1 when there is nothing
 * to wait for, or the client has gone.
 */
int serve_client_wait_ms(struct serve_client *client, uint64_t now_ns);

/* Close and free; no child may know it. */
void serve_client_free(struct serve_client *client);

/*
 * Nothing is to be told to it any more: the same as soon as no child has a
 * place.  What one left running may keep that for long.
 */
void serve_client_leave(struct serve_client *client);

/* A place of it is free. */
void serve_client_unplace(struct serve_client *client);

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
