/* SPDX-License-Identifier: MIT */
/*
 * verbs_client.h - one client of the verbs server: its requests, its replies
 *
 * Each request waits in the buffer it came in, which takes others once all of
 * its requests are answered:
 *
 *     receive --+-- TAKEN: a loan ends
 *               +-- asks    HELLO, NIL and the handler's, in order
 *               +-- urgent  READs that somebody waits for
 *               +-- bulk    READs ahead of any demand
 *
 * A queue moves on while there is room for its reply; a client that does not
 * take its replies so stops itself, first here and then at its own device, and
 * is dropped in the end.  So is one that breaks the protocol or is not there.
 *
 * Above: verbs_serve.c, which decides whose turn it is.
 * Threads: the thread of the loop.
 */
#pragma once

#include <stdbool.h>

#include "rdmafetch/verbs_conn.h"
#include "rdmafetch/verbs_line.h"
#include "rdmafetch/verbs_loans.h"

#define VERBS_ASKS_MAX 16u /* asked of the handler and not yet answered */

struct verbs_client {
	struct server *server;
	struct verbs_conn *conn;
	struct verbs_client **ready_list; /* where to be put */
	struct verbs_client *next_ready;
	uint64_t number; /* of its tickets */
	void *session;
	bool joined;	 /* HELLO is done: not a stranger any more */
	bool ending;	 /* no more requests: it has been told its last words */
	bool dropped;	 /* to be closed at the end of this turn */
	bool in_ready;	 /* on the ready list */
	bool is_starved; /* READs wait for loans to come back */
	unsigned nr_asked;
	uint64_t deadline_ns; /* of a stranger, or of last words; 0: none */
	uint64_t heard_ns;    /* the last sign of life */
	struct verbs_line asks, urgent, bulk;
	uint8_t waiting[VERBS_RECVS_POSTED]; /* requests, by buffer */
	struct verbs_loans loans;
};

/*
 * Begin to serve @conn, which is the client's from here on.  Returns 0 or
 * -ENOMEM (@conn is then closed).
 */
int vclient_open(struct server *server, struct verbs_conn *conn,
		 struct verbs_client **ready_list, struct verbs_client **ret);

/* A SEND of @len_bytes came into receive buffer @at: requests. */
void vclient_received(struct verbs_client *client, unsigned at,
		      uint32_t len_bytes);

/* A send or a probe is done. */
void vclient_sent(struct verbs_client *client, uint16_t at);

/* Answer what waits, but for bulk READs. */
void vclient_serve(struct verbs_client *client);

/* Answer one slice of bulk READs.  Returns 1 when it answered any. */
int vclient_serve_bulk(struct verbs_client *client);

/* Post what this turn has brought.  Returns 1 when there is more to do now. */
int vclient_flush(struct verbs_client *client);

/* Answer a request of the handler; see vreply_answer().  @tail stays the
 * caller's. */
void vclient_answer(struct verbs_client *client,
		    const struct wire_header *header, const void *body,
		    const struct serve_tail *tail);

/* The request that waits at @place: it is legal. */
struct wire_header vclient_header(const struct verbs_client *client,
				  struct verbs_place place);
const uint8_t *vclient_body(const struct verbs_client *client,
			    struct verbs_place place);

/* Look at the clock: drop who is late, probe who is silent. */
void vclient_expire(struct verbs_client *client);

void vclient_drop(struct verbs_client *client);

/* It has broken the protocol. */
void vclient_drop_broken(struct verbs_client *client);

/* The session leaves, then its memory and queue pair go.  Not the id. */
void vclient_close(struct verbs_client *client);
