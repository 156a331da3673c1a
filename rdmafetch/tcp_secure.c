/* SPDX-License-Identifier: MIT */
/* tcp_secure.c - see tcp_secure.h */
#include "rdmafetch/tcp_secure.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "rdmafetch/tls.h"

/* "access denied", fatal: to who wants TLS where there is none.  It is not
 * encrypted, as nothing is yet; tls.c has words for it. */
static const uint8_t no_tls_here[] = {0x15, 3, 3, 0, 2, 2, 49};

static void turn_away(struct tcp_conn *conn, int error, const char *why)
{
	conn->ending = true;
	conn->in_bytes = 0;
	serve_turned_away(conn->shared->server, conn->fd, error, why);
}

/* Nothing was sent before: the socket takes it. */
static void refuse_tls(struct tcp_conn *conn)
{
	(void)send(conn->fd, no_tls_here, sizeof(no_tls_here),
		   MSG_DONTWAIT | MSG_NOSIGNAL);
	turn_away(conn, -EOPNOTSUPP,
		  "wants TLS, and there is none without --sec=psk");
}

void secure_look(struct tcp_conn *conn)
{
	size_t room;
	void *in;

	if (conn->looked || !conn->in_bytes)
		return;
	conn->looked = true;
	if (conn->in[0] != TLS_FIRST_BYTE)
		return;
	if (!conn->shared->psk_file) {
		refuse_tls(conn);
		return;
	}
	if (tls_new_server(conn->shared->psk_file, &conn->tls)) {
		conn_drop(conn);
		return;
	}
	in = tls_room(conn->tls, &room);
	memcpy(in, conn->in, conn->in_bytes);
	tls_came(conn->tls, conn->in_bytes);
	conn->in_bytes = 0;
}

static void greet(struct tcp_conn *conn)
{
	char why[WIRE_WHY_MAX + 1] = "";
	int r = tls_greet(conn->tls, why);

	if (!r)
		conn->greeted = true;
	else if (r != -EAGAIN)
		turn_away(conn, r, why);
}

int secure_get(struct tcp_conn *conn)
{
	size_t room = CONN_IN_BYTES - conn->in_bytes;
	ssize_t n;

	if (!conn->tls || conn->ending || conn->dropped)
		return 0;
	if (!conn->greeted)
		greet(conn);
	if (!conn->greeted || !room)
		return 0;
	n = tls_get(conn->tls, conn->in + conn->in_bytes, room);
	if (n > 0)
		conn->in_bytes += (uint32_t)n;
	else if (n != -EAGAIN)
		conn_drop(conn);
	return n > 0;
}

/* Encrypt the next piece of the batch, which lets go of it after the last. */
static void put_next(struct tcp_conn *conn)
{
	const struct iovec *iov = batch_msg(&conn->leaving)->msg_iov;
	size_t bytes = iov->iov_len < TLS_PUT_MAX ? iov->iov_len : TLS_PUT_MAX;

	if (tls_put(conn->tls, iov->iov_base, bytes))
		conn_drop(conn);
	else if (batch_sent(&conn->leaving, bytes))
		batch_reset(&conn->leaving, &conn->shared->pool);
}

int secure_fill(struct tcp_conn *conn)
{
	size_t bytes;

	(void)tls_out(conn->tls, &bytes);
	if (!bytes && conn->greeted && !batch_empty(&conn->leaving)) {
		put_next(conn);
		(void)tls_out(conn->tls, &bytes);
	}
	return bytes && !conn->dropped;
}

int secure_end(struct tcp_conn *conn)
{
	size_t bytes;

	if (!conn->tls || !conn->greeted || conn->said_goodbye)
		return 0;
	conn->said_goodbye = true;
	tls_end(conn->tls);
	(void)tls_out(conn->tls, &bytes);
	return bytes > 0;
}
