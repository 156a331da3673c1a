/* SPDX-License-Identifier: MIT */
/*
 * relay.h - a link with a delay and no other limit, in front of a port of
 * loopback
 *
 * Each byte leaves so many microseconds after it came, in both directions, so
 * an answer takes twice as much longer.  The bytes are moved by splice(2): a
 * process of its own, that copies nothing.
 */
#pragma once

#include <stdint.h>

struct relay;

/*
 * Connections to the relay's port go on to @port of 127.0.0.1, at most
 * RELAY_PAIRS_MAX at once.  Ends with the caller's process.  0 or -errno.
 */
int relay_open(uint16_t port, uint32_t delay_us, struct relay **ret);

#define RELAY_PAIRS_MAX 16u

uint16_t relay_port(const struct relay *relay);

/* End it; its connections break.  NULL is allowed. */
void relay_close(struct relay *relay);
