/* SPDX-License-Identifier: MIT */
/*
 * tcp_conn.h - one client of the serving end: bytes in, batches out
 *
 * Above: tcp_serve.c, which decides whose turn it is.  A connection that breaks
 * the protocol, hangs up or stalls is dropped: its socket is shut down, and the
 * struct lives on until the kernel has given back its buffers.
 *
 * Threads: all of it belongs to the thread of the loop.
 */
#pragma once

#include <stdbool.h>

#include "rdmafetch/tcp_serve.h"
#include "rdmafetch/tcp_todo.h"

/* Whole requests and the beginning of one more. */
#define CONN_IN_BYTES 16384u

struct tcp_conn;

/* What the connections of a server share. */
struct tcp_shared {
	struct server *server;
	struct loop *loop;
	struct batch_pool pool;
	struct tcp_conn *ready, *last_ready; /* have something to do */
	const char *psk_file;		     /* of sec=psk; NULL: no TLS here */
};

struct tls;

struct tcp_conn {
	struct tcp_shared *shared;
	uint64_t client;
	int fd;
	bool joined;   /* HELLO is done: not a stranger any more */
	bool ending;   /* no more requests: send what is queued, then hang up */
	bool hung_up;  /* our half is closed; wait for theirs */
	bool dropped;  /* dead: wait for the kernel, then free */
	bool in_ready; /* on the ready list */
	bool blocked;  /* a whole request waits for room in its queue */
	bool receiving, sending;
	/* TLS (tcp_secure.h): the first byte was looked at; it is TLS, and the
	 * handshake is over; so is the session. */
	bool looked, greeted, said_goodbye;
	struct tls *tls;      /* NULL: plain */
	uint64_t deadline_ns; /* of HELLO, or of the send under way; 0: none */
	struct todo_client reader; /* with the session */
	struct loop_op recv_op, send_op;
	struct tcp_batch filling, leaving;
	struct tcp_todo todo;
	struct tcp_conn *next_ready;
	struct wire_header waiting; /* while blocked: what has no room */
	uint32_t in_at, in_bytes; /* of in: the first not taken, and the end */
	uint8_t in[CONN_IN_BYTES];
};

/* A connection on @fd, which it owns in any case.  Returns 0 or -ENOMEM. */
int conn_open(struct tcp_shared *shared, int fd, uint64_t client,
	      struct tcp_conn **ret);

/* Put it on the ready list, once. */
void conn_make_ready(struct tcp_conn *conn);

/* Take requests from the bytes here, and fill the next batch with what somebody
 * waits for. */
void conn_take(struct tcp_conn *conn);

/* Fill the next batch with one slice of bulk READs.  Returns 1 when it did. */
int conn_fill_bulk(struct tcp_conn *conn);

/* Send and receive.  Returns 1 when there is more to take or fill now. */
int conn_flow(struct tcp_conn *conn);

/* Answer a request of the handler; see serve_answer_tail(). */
int conn_answer(struct tcp_conn *conn, const struct wire_header *header,
		const void *head, size_t head_bytes,
		const struct serve_tail *tail);

/* Drop it when its deadline has passed. */
void conn_expire(struct tcp_conn *conn, uint64_t now_ns);

void conn_drop(struct tcp_conn *conn);

/* 1 when it is dropped and the kernel holds no buffer of it. */
int conn_is_over(const struct tcp_conn *conn);

/* Only when conn_is_over(). */
void conn_close(struct tcp_conn *conn);
