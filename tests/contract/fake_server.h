/* SPDX-License-Identifier: MIT */
/*
 * fake_server.h - a far end that speaks the wire protocol and misbehaves
 *
 * In TLS it misbehaves inside it.  One thread, any number of connections one
 * after another.  Its image holds the bytes of pattern_fill(); its descriptor
 * is fake_server_desc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/tcp_control.h"

enum fake_garbage {
	FAKE_SOUND,
	FAKE_BAD_MAGIC,
	FAKE_BAD_TYPE, /* answers by another type */
	FAKE_NO_REPLY_BIT,
	FAKE_FAR, /* "fetch it elsewhere", as only verbs can */
	FAKE_UNKNOWN_ID,
	FAKE_STALE_ID,	 /* the id of the first READ, answered long ago */
	FAKE_SHORT,	 /* the first eight bytes of the body */
	FAKE_BAD_LENGTH, /* one byte less than asked for */
	FAKE_LONG_WORDS, /* a refusal with a page of words */
	FAKE_HUGE_BODY,	 /* announces 4 GiB */
	FAKE_CUT,	 /* half of a reply, then the end */
	FAKE_SILENT,	 /* takes everything, answers nothing */
	FAKE_NOISE,	 /* random bytes */
};

struct fake_server_options {
	bool is_unix;
	const char *psk_file; /* speak TLS, by these keys; NULL: do not */
	uint64_t delay_ns;
	unsigned reorder;     /* answer in reversed groups of this many */
	unsigned fail_every;  /* every n-th READ */
	int fail_status;      /* with this */
	unsigned break_after; /* close after n answered READs */
	enum fake_garbage hello, open, read; /* how each type is answered */
	unsigned garbage_after; /* READs answered well before read garbage */
	/* Refuse HELLO, OPEN, all else but READ, with fake_server_words. */
	int hello_status, open_status, other_status;
	uint32_t version;    /* said in HELLO; 0: the right one */
	uint32_t desc_bytes; /* 0: fake_server_desc */
};

extern const char fake_server_desc[], fake_server_words[];

struct fake_server;

/* NULL when the system has no socket to give. */
struct fake_server *
fake_server_start(const struct fake_server_options *options);

/* Where it listens, with a timeout of five seconds. */
struct tcp_address fake_server_address(const struct fake_server *server);

/* Hang up, end the thread, remove the socket. */
void fake_server_stop(struct fake_server *server);
