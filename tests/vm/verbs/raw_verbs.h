/* SPDX-License-Identifier: MIT */
/*
 * raw_verbs.h - messages over RDMA by hand, for tests that must send wrong ones
 *
 * Blocking; each call fails the test when something does not work, and after
 * RAW_TIMEOUT_S at the latest.  Threads: one connection, one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

#define RAW_TIMEOUT_S  120 /* the machine may be slow */
#define RAW_BYTES      8192u
#define RAW_RECVS      96u
#define RAW_READ_BYTES (4u << 20)

struct raw_verbs;

/* Connect to @port of 10.9.0.1, with receives posted. */
struct raw_verbs *raw_dial(uint16_t port);

/* NULL is allowed. */
void raw_close(struct raw_verbs *raw);

/* Send @len_bytes as they are, at most RAW_BYTES; waits until it is done, one
 * way or the other: returns enum ibv_wc_status. */
int raw_send(struct raw_verbs *raw, const void *bytes, uint32_t len_bytes);

/* Send a request with @body_bytes of @body: one message. */
void raw_ask(struct raw_verbs *raw, uint16_t type, uint32_t id,
	     const void *body, uint32_t body_bytes);
void raw_ask_read(struct raw_verbs *raw, uint32_t id, uint16_t flags,
		  struct wire_read read);

/* The next reply; *@ret_body lives until the next call. */
struct wire_header raw_get(struct raw_verbs *raw, const uint8_t **ret_body);

/* In how many SENDs all replies that raw_get() gave have come. */
unsigned raw_nr_sends(const struct raw_verbs *raw);

/* HELLO with its answer checked. */
void raw_hello(struct raw_verbs *raw);

/* READ (or WRITE) one-sided; returns enum ibv_wc_status.  After an error the
 * connection is over. */
int raw_fetch(struct raw_verbs *raw, const struct wire_far *far,
	      const uint8_t **ret_bytes);
int raw_scribble(struct raw_verbs *raw, const struct wire_far *far);

/* Fetch what a FAR reply says, and say TAKEN. */
const uint8_t *raw_take(struct raw_verbs *raw, const struct wire_header *reply,
			const uint8_t *body, uint32_t *ret_bytes);

/* The server has disconnected. */
void raw_assert_dropped(struct raw_verbs *raw);
