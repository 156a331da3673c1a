/* SPDX-License-Identifier: MIT */
/*
 * fake_daemon.h - the real serving end in a thread, with a make-believe image
 *
 * Speaks the whole protocol as far as a reader needs it: HELLO, OPEN (any name
 * but "nobody"), TRACE (of any but "plain"), READ, RENEW, RELEASE.  PREPARE is answered only when the test
 * says so, which shows what late answers do.  Pages are words that tell their
 * address (fake_word()), so that a wrong byte is seen.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "rdmafetch/tcp_serve.h"
#include "rdmafetch/verbs_serve.h"

#define FAKE_DESC_BYTES (3u << 20)  /* longer than one batch */
#define FAKE_TRACE	"what a child has seen"
#define FAKE_BAD_RADDR	0x666000ull /* a page that reads as -EIO */

struct fake_daemon;

/* @options may be NULL.  Listens on 127.0.0.1 and on a unix socket. */
struct fake_daemon *fake_daemon_start(const struct serve_options *options);

/* As fake_daemon_start(), and serves RDMA on @address (IPv4), any port. */
struct fake_daemon *fake_daemon_start_rdma(const struct serve_options *options,
					   const char *address);

/* As fake_daemon_start(), and speaks TLS by the keys in @psk_file. */
struct fake_daemon *fake_daemon_start_psk(const struct serve_options *options,
					  const char *psk_file);

/* Whose key the last client's TLS was by; "" for none. */
const char *fake_daemon_tls_name(const struct fake_daemon *daemon);

void fake_daemon_stop(struct fake_daemon *daemon);

uint16_t fake_daemon_port(const struct fake_daemon *daemon);
const char *fake_daemon_path(const struct fake_daemon *daemon);

uint16_t fake_daemon_rdma_port(const struct fake_daemon *daemon);

/* The image is gone: READs answer -ESTALE from now on. */
void fake_daemon_withdraw(struct fake_daemon *daemon);

/* Answer all PREPAREs that wait; returns how many still had a client. */
unsigned fake_daemon_answer(struct fake_daemon *daemon);

/* How many turns its loop has made: few while nothing can be done. */
unsigned fake_daemon_turns(const struct fake_daemon *daemon);

/* Counters as they are now: of sockets, and of RDMA. */
struct serve_stats fake_daemon_stats(struct fake_daemon *daemon);
struct serve_stats fake_daemon_rdma_stats(struct fake_daemon *daemon);

/* The 8 bytes at @raddr of @object, and byte @at of the descriptor. */
uint64_t fake_word(uint32_t object, uint64_t raddr);
uint8_t fake_desc_byte(size_t at);
