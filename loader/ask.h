/* SPDX-License-Identifier: MIT */
/*
 * ask.h - what mitosis-load --at and the loader that serves say to each other
 *
 * A unix socket of whole packets.  A head of fixed size, descriptors with it,
 * and where it says so one packet more, the body:
 *
 *     client                                  server
 *       CHILDREN struct ask, stdio ----------->
 *       <-------------- PID pidfd (each, when it was wanted)
 *       <---------------------------- STARTED     or REFUSED words
 *       SIGNAL number ------------------------>   (any number of times)
 *       <-------------------- STOPPED signal      (of one child)
 *       <----------- KILLED words, ENDED status   (each)
 *
 * Encoding and decoding are pure; the others block where the socket does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/fate.h"

#define ASK_MAGIC	0x324b5341u /* "ASK2" */
#define ASK_BODY_MAX	65536u
#define ASK_FDS_MAX	16u /* stdio, the terminal, those of --fd N=M */
#define ASK_PATH_MAX	4096u
#define ASK_CHOICES_MAX 256u
#define ASK_NR_MAX	1024u
#define ASK_SIGNAL_MAX	64

enum ask_type {
	ASK_CHILDREN = 1, /* body: struct ask; stdin, stdout, stderr, ... */
	ASK_SIGNAL,	  /* @value: for all children of the client */
	ASK_PID,	  /* @index: which child; its pidfd */
	ASK_STARTED,	  /* all run */
	ASK_REFUSED,	  /* body: words; @value: -errno */
	ASK_STOPPED,	  /* @value: the signal */
	ASK_KILLED,	  /* body: words; by the server */
	ASK_ENDED,	  /* @index, @value: exit status as of a shell */
	ASK_TYPES_END,
};

struct ask_head {
	uint32_t magic, type;
	int32_t value;
	uint32_t index, body_bytes;
};

/* --fd N=PATH (@sent -1), or N=M: which of the sent descriptors. */
struct ask_choice {
	int32_t fd, sent;
	char *path; /* "" unless @sent is -1 */
};

struct ask {
	uint32_t nr_children;
	bool linger;	   /* they outlive the client */
	bool wants_pids;   /* PID for each */
	bool has_terminal; /* the fourth descriptor */
	char *image;	   /* as the server names it, or "" for its only one */
	char *cwd, *root;  /* or "" */
	uint32_t nr_choices, nr_ports;
	struct ask_choice *choices;
	struct fate_port *ports;
	struct arena *arena; /* of what ask_decode() made */
};

/*
 * Encode @ask into @ret_body, which has room for ASK_BODY_MAX bytes.  0, or
 * -E2BIG when it is too large.
 */
int ask_encode(const struct ask *ask, uint8_t *ret_body, size_t *ret_len);

/*
 * Decode a body that came with @nr_fds descriptors.  On success give *@ret_ask
 * to ask_free().  0, -ENOMEM, or -EPROTO or -E2BIG for what no client of ours
 * says.
 */
int ask_decode(const uint8_t *body, size_t len, unsigned nr_fds,
	       struct ask *ret_ask);

void ask_free(struct ask *ask);

/* The descriptors that go before those of --fd: stdio, and the terminal. */
static inline unsigned ask_first_choice(const struct ask *ask)
{
	return ask->has_terminal ? 4 : 3;
}

/* 0, or -EPROTO for a head that @from_client (or else the server) never says.
 */
int ask_check_head(const struct ask_head *head, bool from_client);

/* A message on its way.  Descriptors that were received are the caller's. */
struct ask_message {
	struct ask_head head; /* magic is set by ask_send() */
	const void *body;     /* of ask_send() */
	uint8_t *received;    /* of ask_receive(): head.body_bytes, and a NUL */
	int fds[ASK_FDS_MAX];
	unsigned nr_fds;
};

/* 0 or -errno. */
int ask_send(int sock, struct ask_message *message);

/*
 * The body goes to @room (ASK_BODY_MAX + 1 bytes).  0, or -errno: -ENODATA when
 * the far end has closed, -EPROTO for what must not come.
 */
int ask_receive(int sock, bool from_client, uint8_t *room,
		struct ask_message *ret_message);

/*
 * The two halves of that, for who cannot wait in between.  A part of a packet,
 * and -EAGAIN of a socket that does not block, leave nothing to be closed.
 */
int ask_receive_head(int sock, bool from_client,
		     struct ask_message *ret_message);
int ask_receive_body(int sock, uint8_t *room, struct ask_message *message);

/* Close what came with @message. */
void ask_close_fds(struct ask_message *message);
