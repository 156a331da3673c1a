/* SPDX-License-Identifier: MIT */
/*
 * stream.h - a client's stream to a mitosisd: a socket, or TLS on one
 *
 * With sec=psk all that is said goes through TLS, whatever socket it is: there
 * is no way back to plain.
 *
 * Above: tcp_control.c, tcp.c.  Below: dial.c, tls.c.
 *
 * Threads: stream_put() and stream_get() one at a time; stream_fill() may be
 * called beside stream_put().  Deadlines are as in dial.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tcp_address;
struct tls;

struct stream {
	int fd;		 /* -1: none */
	struct tls *tls; /* NULL: plain */
};

/*
 * Connect to @address, and shake hands where its sec is psk, within
 * dial_deadline_ns().  @why has WIRE_WHY_MAX + 1 bytes, and words where the
 * reason is not the connection's.
 *
 * Returns 0, an error of dial_open() or psk_read(), -ENOKEY when the key file
 * has none of that name, or
 *   -EACCES      the far end has not got the same key
 *   -EPROTO      it speaks no TLS, or none that we do
 *   -ECONNRESET  it hung up in the handshake
 *   -ETIMEDOUT
 */
int stream_open(const struct tcp_address *address, struct stream *ret,
		char *why);

/* A stream that is closed is allowed. */
void stream_close(struct stream *stream);

/* All of @len bytes, as dial_send() and dial_recv(); -EPROTO of TLS. */
int stream_send(struct stream *stream, const void *buf, size_t len,
		uint64_t deadline_ns);
int stream_recv(struct stream *stream, void *buf, size_t len,
		uint64_t deadline_ns);

/*
 * Send what can be sent without waiting.  Returns how many of @len bytes were
 * taken (in TLS they may still have to go: stream_has_more()), -EAGAIN, or
 * -errno of send(2), or -EPROTO of TLS.
 */
ssize_t stream_put(struct stream *stream, const void *buf, size_t len);

/* Bytes that were taken are still to go: call stream_put() with 0 bytes. */
bool stream_has_more(const struct stream *stream);

/* In TLS: receive once, as recv(2) with @flags, for stream_get(). */
ssize_t stream_fill(struct stream *stream, int flags);

/* In TLS: what was received before.  Returns as tls_get(). */
ssize_t stream_get(struct stream *stream, void *buf, size_t room);
