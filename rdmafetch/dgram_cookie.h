/* SPDX-License-Identifier: MIT */
/*
 * dgram_cookie.h - proofs that who asks hears what is sent to its address
 *
 * A cookie is a hash of the address, the time and a secret: so nothing is kept
 * of whom it was given to, and however many ask, none takes another's.  It is
 * good for DGRAM_COOKIE_NS at least and twice as long at most, for any number
 * of times.
 *
 * Above: dgram_guests.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/siphash.h"

struct dgram_peer;

#define DGRAM_COOKIE_NS 60000000000ull

/* A new secret. */
void dgram_cookie_init(struct siphash_key *ret_secret);

/* The cookie of @peer at @now_ns, CLOCK_MONOTONIC; never 0. */
uint64_t dgram_cookie_make(const struct siphash_key *secret,
			   const struct dgram_peer *peer, uint64_t now_ns);

/* Whether @cookie is good for @peer at @now_ns. */
bool dgram_cookie_is_good(const struct siphash_key *secret,
			  const struct dgram_peer *peer, uint64_t now_ns,
			  uint64_t cookie);
