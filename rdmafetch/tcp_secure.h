/* SPDX-License-Identifier: MIT */
/*
 * tcp_secure.h - the serving end of TLS: sec=psk, one client
 *
 * Who begins with a TLS handshake, at whatever socket, has TLS from its first
 * byte to its last; where the server has no keys it is told so by an alert. Who
 * begins otherwise is plain, and for those above to refuse.
 *
 *     recv -> tls_room ..> secure_get  -> conn->in -> frames
 *     send <- tls_out  <.. secure_fill <- conn->leaving
 *
 * Nothing here waits: the handshake goes on as bytes come, and is over in time
 * or the connection is (its deadline is that of HELLO).
 *
 * Above: tcp_conn.c.  Below: tls.c.
 *
 * Threads: all of it belongs to the thread of the loop.
 */
#pragma once

#include "rdmafetch/tcp_conn.h"

/* Look at the first byte that came, once. */
void secure_look(struct tcp_conn *conn);

/*
 * Go on with the handshake, and move what came to conn->in.  Returns 1 when
 * there are more plain bytes there; 0 also where there is no TLS.  A handshake
 * that fails makes the connection end, a session that breaks drops it.
 */
int secure_get(struct tcp_conn *conn);

/* Put more of the leaving batch into the session when there is nothing to go.
 * Returns 1 when there is something to go. */
int secure_fill(struct tcp_conn *conn);

/* Say goodbye, once.  Returns 1 when that is to go. */
int secure_end(struct tcp_conn *conn);
