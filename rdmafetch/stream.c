/* SPDX-License-Identifier: MIT */
/* stream.c - see stream.h */
#include "rdmafetch/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rdmafetch/dial.h"
#include "rdmafetch/psk.h"
#include "rdmafetch/tcp_control.h"
#include "rdmafetch/tls.h"

/* ---- TLS, waiting ---- */

static int send_out(struct stream *stream, uint64_t deadline_ns)
{
	size_t bytes;
	const void *out = tls_out(stream->tls, &bytes);
	int r = dial_send(stream->fd, out, bytes, deadline_ns);

	if (!r)
		tls_went(stream->tls, bytes);
	return r;
}

static int recv_some(struct stream *stream, uint64_t deadline_ns)
{
	size_t room;
	void *in = tls_room(stream->tls, &room);
	ssize_t n = dial_recv_some(stream->fd, in, room, deadline_ns);

	if (n < 0)
		return (int)n;
	tls_came(stream->tls, (size_t)n);
	return 0;
}

/* What is to go goes even when the handshake fails: the far end is told. */
static int greet(struct stream *stream, uint64_t deadline_ns, char *why)
{
	int r, sent;

	while ((r = tls_greet(stream->tls, why)) == -EAGAIN) {
		r = send_out(stream, deadline_ns);
		if (!r)
			r = recv_some(stream, deadline_ns);
		if (r == -ECONNRESET)
			(void)snprintf(why, WIRE_WHY_MAX + 1,
				       "hung up in the TLS handshake: is it a "
				       "mitosisd with --sec=psk?");
		if (r)
			return r;
	}
	sent = send_out(stream, deadline_ns);
	return r ? r : sent;
}

/* A session with the key that @sec names. */
static int begin_tls(const struct sec_settings *sec, struct tls **ret,
		     char *why)
{
	struct psk_key key;
	int r = psk_read(sec->psk_file, sec->psk_user, &key, why);

	if (!r) {
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "the key file %.100s has no key of the name "
			       "%.64s: add one, or say which (psk_user)",
			       sec->psk_file, sec->psk_user);
		return -ENOKEY;
	}
	if (r < 0)
		return r;
	r = tls_new_client(sec->psk_user, &key, ret);
	explicit_bzero(&key, sizeof(key));
	return r;
}

int stream_open(const struct tcp_address *address, struct stream *ret,
		char *why)
{
	uint64_t deadline_ns = dial_deadline_ns(address);
	struct stream stream = {.fd = -1};
	int r = 0;

	if (address->sec.kind == WIRE_SEC_PSK)
		r = begin_tls(&address->sec, &stream.tls, why);
	if (!r)
		r = dial_open(address, &stream.fd);
	if (!r && stream.tls)
		r = greet(&stream, deadline_ns, why);
	if (r)
		stream_close(&stream);
	else
		*ret = stream;
	return r;
}

void stream_close(struct stream *stream)
{
	if (stream->fd >= 0)
		(void)close(stream->fd);
	tls_free(stream->tls);
	*stream = (struct stream){.fd = -1};
}

int stream_send(struct stream *stream, const void *buf, size_t len,
		uint64_t deadline_ns)
{
	const char *at = buf;
	int r = 0;

	if (!stream->tls)
		return dial_send(stream->fd, buf, len, deadline_ns);
	while (len && !r) {
		size_t part = len < TLS_PUT_MAX ? len : TLS_PUT_MAX;

		r = tls_put(stream->tls, at, part);
		if (!r)
			r = send_out(stream, deadline_ns);
		at += part;
		len -= part;
	}
	return r;
}

int stream_recv(struct stream *stream, void *buf, size_t len,
		uint64_t deadline_ns)
{
	char *at = buf;
	int r = 0;

	if (!stream->tls)
		return dial_recv(stream->fd, buf, len, deadline_ns);
	while (len && !r) {
		ssize_t n = tls_get(stream->tls, at, len);

		if (n == -EAGAIN)
			r = recv_some(stream, deadline_ns);
		else if (n <= 0)
			r = n ? (int)n : -ECONNRESET;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return r;
}

/* ---- without waiting ---- */

static ssize_t send_now(int fd, const void *buf, size_t len)
{
	ssize_t n;

	do
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

bool stream_has_more(const struct stream *stream)
{
	size_t bytes = 0;

	if (stream->tls)
		(void)tls_out(stream->tls, &bytes);
	return bytes;
}

/* 0 when nothing is left to go. */
static ssize_t flush(struct stream *stream)
{
	while (stream_has_more(stream)) {
		size_t bytes;
		const void *out = tls_out(stream->tls, &bytes);
		ssize_t n = send_now(stream->fd, out, bytes);

		if (n < 0)
			return n;
		tls_went(stream->tls, (size_t)n);
	}
	return 0;
}

ssize_t stream_put(struct stream *stream, const void *buf, size_t len)
{
	ssize_t r;

	if (!stream->tls)
		return len ? send_now(stream->fd, buf, len) : 0;
	r = flush(stream);
	if (r || !len)
		return r;
	if (len > TLS_PUT_MAX)
		len = TLS_PUT_MAX;
	r = tls_put(stream->tls, buf, len);
	if (!r)
		r = flush(stream);
	return r && r != -EAGAIN ? r : (ssize_t)len;
}

ssize_t stream_fill(struct stream *stream, int flags)
{
	size_t room;
	void *in = tls_room(stream->tls, &room);
	ssize_t n = recv(stream->fd, in, room, flags);

	if (n > 0)
		tls_came(stream->tls, (size_t)n);
	return n;
}

ssize_t stream_get(struct stream *stream, void *buf, size_t room)
{
	return tls_get(stream->tls, buf, room);
}
