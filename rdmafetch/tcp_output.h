/* SPDX-License-Identifier: MIT */
/*
 * tcp_output.h - READs on their way to the socket
 *
 * Requests are encoded behind each other and sent without waiting; what the
 * socket does not take stays here.
 *
 * Above: tcp.c, whose lock guards it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/stream.h"

#define OUTPUT_READS	  256u
#define OUTPUT_READ_BYTES (WIRE_HEADER_BYTES + 24u)
#define OUTPUT_BYTES	  (OUTPUT_READS * OUTPUT_READ_BYTES)

/* Zeroed before first use. */
struct tcp_output {
	uint8_t bytes[OUTPUT_BYTES];
	size_t at, end; /* unsent */
};

/* Whether one more READ has room. */
bool output_fits(const struct tcp_output *output);

/* Add a READ, which has room. */
void output_add(struct tcp_output *output, uint32_t id, bool urgent,
		const struct wire_read *read);

/* Send what can be sent.  0, also when something is left, or -errno. */
int output_send(struct tcp_output *output, struct stream *stream);

/* As output_send(), and what TLS took before, or says of its own accord. */
int output_send_rest(struct tcp_output *output, struct stream *stream);
