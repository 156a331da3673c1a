/* SPDX-License-Identifier: MIT */
/*
 * tls.h - one end of a TLS 1.3 session between two buffers
 *
 * sec=psk: both ends know a key (psk.h), and prove it to each other by a
 * handshake with an ephemeral exchange, so that what was said stays secret when
 * the key is lost later.  No certificates, no older version, no resumption, no
 * early data.
 *
 * A session does no input and no output: who has the socket puts in what came
 * and sends what is to go, blocking or not as it likes.
 *
 *     socket -> tls_room, tls_came -> [ ] -> tls_greet, tls_get -> plain
 *     socket <- tls_out, tls_went  <- [ ] <- tls_greet, tls_put <- plain
 *
 * Above: stream.c (clients), tcp_secure.c (the server).  Below: GnuTLS.
 *
 * Threads: one at a time; but tls_room() and tls_came() may be called beside
 * tls_put(), tls_out() and tls_went().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rdmafetch/psk.h"

/* The most that one tls_put() takes, and only when nothing is to go. */
#define TLS_PUT_MAX (256u << 10)

/* The first byte of whoever begins a TLS handshake, and of none of ours. */
#define TLS_FIRST_BYTE 0x16

struct tls;

/* Whether GnuTLS is in this build; else the tls_new_*() say -EOPNOTSUPP. */
extern const bool tls_is_built;

/* A client's end: who it says to be, by which key.  Returns 0, -ENOMEM or
 * -EOPNOTSUPP. */
int tls_new_client(const char *name, const struct psk_key *key,
		   struct tls **ret);

/*
 * A server's end.  The file at @psk_file, which lives as long, is read when the
 * client has said who it is.  Returns as tls_new_client().
 */
int tls_new_server(const char *psk_file, struct tls **ret);

/* NULL is allowed.  The kernel must use neither of its buffers. */
void tls_free(struct tls *tls);

/*
 * Where bytes that come are to be put, and how many; they stay good until
 * tls_came().  0 when there are enough.
 */
void *tls_room(struct tls *tls, size_t *ret_bytes);
void tls_came(struct tls *tls, size_t bytes);

/*
 * Bytes that are to go, which stay where they are until tls_went().  Their
 * number only grows until then.
 */
const void *tls_out(const struct tls *tls, size_t *ret_bytes);
void tls_went(struct tls *tls, size_t bytes);

/*
 * Go on with the handshake.  Whether it ends well or badly, there may be bytes
 * to go.  Returns 0 when it is done, -EAGAIN when more must come first, or with
 * words in @why (WIRE_WHY_MAX + 1 bytes)
 *   -EACCES  the far end has not got the same key for this name
 *   -EPROTO  the far end speaks no TLS, or none that we do
 *   -ENOMEM
 */
int tls_greet(struct tls *tls, char *why);

/*
 * What came, after the handshake.  Returns the bytes put into @buf, 0 at the
 * far end's goodbye, -EAGAIN when more must come first, or -EPROTO for what is
 * not the far end's, or out of order.
 */
ssize_t tls_get(struct tls *tls, void *buf, size_t room);

/* Put @len bytes, at most TLS_PUT_MAX, with nothing to go.  0 or -EPROTO. */
int tls_put(struct tls *tls, const void *bytes, size_t len);

/* Say goodbye: nothing is put after that. */
void tls_end(struct tls *tls);

/* Who the client is, once tls_greet() has returned 0. */
const char *tls_name(const struct tls *tls);
