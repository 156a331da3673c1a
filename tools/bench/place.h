/* SPDX-License-Identifier: MIT */
/*
 * place.h - the ends of a benchmark: "HOST:PORT" to connect to, or to listen on
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "rdmafetch/tcp_control.h"
#include "rdmafetch/verbs_spin.h"

#define PLACE_TEXT_MAX (PARSE_HOST_MAX + 10) /* "[HOST]:65535" and its NUL */

/* What carries the messages or the pages. */
enum place_proto { PLACE_LOCAL, PLACE_TCP, PLACE_RDMA, PLACE_RDMA_UD };

/* By name.  Returns 0 or -EINVAL. */
int place_proto_parse(const char *text, enum place_proto *ret_proto);

const char *place_proto_name(enum place_proto proto);

/* "adaptive", "polling" or "events": how completions over RDMA are waited for.
 * Returns 0 or -EINVAL. */
int place_completion_parse(const char *text,
			   enum verbs_completion *ret_completion);

/*
 * Parse "HOST", "HOST:PORT" or "[V6]:PORT"; *@ret_address has no timeout yet.
 * Returns 0, or -EINVAL.
 */
int place_parse(const char *text, uint16_t default_port,
		struct tcp_address *ret_address);

/* Its address and port.  0, or -ENOENT for an unknown host. */
int place_resolve(const struct tcp_address *address,
		  struct sockaddr_storage *ret_addr);

/*
 * A listening TCP socket at @address, close-on-exec, the caller's.  Any address
 * is allowed: who listens says what may come of it.  Returns 0, -ENOENT for an
 * unknown host, or -errno of bind(2).
 */
int place_listen(const struct tcp_address *address, int *ret_fd);

/* "ADDR:PORT" of the socket @fd, as place_parse() reads it. */
void place_text(int fd, char ret_text[PLACE_TEXT_MAX]);

/* The port that the socket @fd is bound to; 0 for none. */
uint16_t place_port(int fd);
