/* SPDX-License-Identifier: MIT */
/*
 * serve.h - serving images to clients, whatever carries the messages
 *
 * Above: parent/daemon.c and its session.c, which know images and who may read
 * them.  Below, one for each way in: tcp_serve.c (TCP and the unix socket), and
 * verbs_serve.c (RDMA).  Those know messages, HELLO, NIL and READ; every other
 * request goes to the handler, which may answer it later by its ticket.
 *
 *     handler  join, leave, request, source
 *        ^  |
 *        |  +- serve_answer(ticket) ---+
 *        |                             v
 *     tcp_serve  verbs_serve      ticket.server
 *
 * Threads: the thread of the loop makes every call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/refused.h"
#include "common/source.h"
#include "common/wire.h"

#define SERVE_CLIENTS_LIMIT 65536u

struct serve_options {
	unsigned clients_max;	/* that said HELLO: 1 to 65536 */
	unsigned strangers_max; /* that did not yet */
	int hello_ms;		/* how long a stranger may stay one */
	int stall_ms; /* how long a client may take none of its replies */
};

extern const struct serve_options serve_defaults;

struct server;

/* Who asked, and for what: what an answer needs.  Freely copied; no longer of
 * use when its server is closed. */
struct serve_ticket {
	struct server *server;
	uint64_t client; /* never used twice by a server */
	uint32_t id;
	uint16_t type; /* enum wire_type */
};

/* Bytes that belong to somebody else until they are sent. */
struct serve_tail {
	const uint8_t *bytes; /* NULL: none */
	size_t len_bytes;
	void (*done)(void *owner); /* sent, or never will be */
	void *owner;
};

/* Who says HELLO, and how. */
struct serve_origin {
	const struct wire_hello *hello; /* lives until join() returns */
	int fd;				/* its socket; -1 where there is none */
	bool is_verbs;
	/* Both ends of a connection that is no socket (else NULL): they tell
	 * whether it leaves the host, and what a credential must be for. */
	const struct sockaddr_storage *here, *there;
	const char *tls_name; /* by whose key its TLS is; NULL: none */
};

/* What the handler knows about one client is its session. */
struct serve_ops {
	/*
	 * A client said HELLO.  Returns 0 with its session, or -errno and words
	 * in @why (WIRE_WHY_MAX + 1 bytes) to refuse it.
	 */
	int (*join)(void *arg, const struct serve_origin *origin,
		    void **ret_session, char *why);
	/* The client is gone.  Answers to its tickets go nowhere from now. */
	void (*leave)(void *session);
	/*
	 * A request that is neither HELLO, READ, NIL nor TAKEN.  @body lives
	 * until this returns.  Each ticket wants exactly one answer, now or
	 * later.
	 */
	void (*request)(void *session, const struct serve_ticket *ticket,
			const uint8_t *body, size_t body_bytes);
	/*
	 * The bytes behind a handle, which stay good until this turn of the
	 * loop ends.  Returns 0, -EBADF, or -ESTALE.
	 */
	int (*source)(void *session, uint32_t handle,
		      struct page_source **ret_source);
	/*
	 * A stranger was not let in, for the reason in @why: for a log.  @fd is
	 * its socket, or -1.  NULL: nobody wants to know.
	 */
	void (*turned_away)(void *arg, int fd, const char *why);
};

/* Of one server, ever, but for the first two. */
struct serve_stats {
	uint64_t clients, strangers;		/* now */
	uint64_t accepted, turned_away, broken; /* connections */
	uint64_t requests, reads, urgent_reads, failed_reads;
	uint64_t read_bytes, sends;
	struct refused refused;
};

/*
 * What another process needs to register its memory for one client of a verbs
 * server: the device's command descriptor and the client's protection domain.
 * It is good until it is put, even when the client has left: the kernel gives
 * the handle of a freed domain to the next one, which is another client's.
 */
struct serve_verbs {
	int cmd_fd;
	uint32_t driver_id; /* enum rdma_driver_id, for RDMA_VERBS_IOCTL */
	uint32_t pd_handle;
	bool has_odp; /* registering copies and pins nothing */
	void (*put)(const struct serve_verbs *verbs); /* serve_verbs_put() */
};

/* What is common to all servers: a member of struct tcp_serve and verbs_serve.
 */
struct server {
	const struct server_ops *ops;
	struct serve_options options;
	const struct serve_ops *handler;
	void *handler_arg;
	struct serve_stats stats;
	uint16_t rdma_port; /* told in HELLO; 0: none */
};

/* The functions below, by server; @body and @tail may be NULL. */
struct server_ops {
	int (*answer)(struct server *server, const struct serve_ticket *ticket,
		      const void *body, size_t body_bytes,
		      const struct serve_tail *tail);
	int (*refuse)(struct server *server, const struct serve_ticket *ticket,
		      int error, const char *why);
	const struct serve_verbs *(*verbs_get)(struct server *server,
					       const struct serve_ticket *t);
};

/*
 * Answer with @body (copied).  Returns 0, -ENOTCONN when the client has left,
 * or -ENOMEM (then the connection is dropped).
 */
int serve_answer(const struct serve_ticket *ticket, const void *body,
		 size_t body_bytes);

/* As serve_answer(), with @tail behind @body.  tail->done() is called in any
 * case, perhaps before this returns. */
int serve_answer_tail(const struct serve_ticket *ticket, const void *body,
		      size_t body_bytes, const struct serve_tail *tail);

/* Answer with @error (-errno) and a line of words. */
int serve_refuse(const struct serve_ticket *ticket, int error, const char *why);

/*
 * What an EXPORT for this client wants, or NULL when it has left or came by
 * something else than verbs.  To be put when all that was registered with it
 * is destroyed; that may be after the client left, and after the server.
 */
const struct serve_verbs *serve_verbs_get(const struct serve_ticket *ticket);

/* NULL is allowed. */
void serve_verbs_put(const struct serve_verbs *verbs);

/* The head of a reply to @ticket: @status 0, or -errno. */
struct wire_header serve_reply_to(const struct serve_ticket *ticket,
				  size_t body_bytes, int status);

/*
 * Read what a READ asks for into @buf, through the handler.  Returns 0, or
 * -errno: -EBADF or -ESTALE of source(), or what the source's read() says.
 */
int serve_read(const struct serve_ops *ops, void *session,
	       const struct wire_read *read, uint8_t *buf);

/* The words that go with an error of serve_read(). */
const char *serve_read_words(int error);

/* A HELLO, and where it came from. */
struct serve_greeting {
	const uint8_t *body;
	size_t body_bytes;
	int fd; /* this and the next as in struct serve_origin */
	bool is_verbs;
	const struct sockaddr_storage *here, *there;
	const char *tls_name;
};

/*
 * Let a stranger in, if the handler does.  Returns 0 with its session, -EPROTO
 * when that is no HELLO, or -errno with the words of a refusal in @why
 * (WIRE_WHY_MAX + 1 bytes, "" before).  Keeps count of clients and strangers.
 */
int serve_hello(struct server *server, const struct serve_greeting *greeting,
		void **ret_session, char *why);

/* Count a stranger who is not let in by @error (-errno), and tell the handler.
 */
void serve_turned_away(struct server *server, int fd, int error,
		       const char *why);

/* The body of the answer to a HELLO; returns its bytes. */
size_t serve_welcome(const struct server *server,
		     uint8_t out[WIRE_REQUEST_MAX]);

/* A connection has ended, of a client (its @session leaves) or a stranger. */
void serve_goodbye(struct server *server, bool joined, void *session);

/* Returns 0, or -EINVAL for options out of range. */
int serve_options_check(const struct serve_options *options);
