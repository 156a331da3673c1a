/* SPDX-License-Identifier: MIT */
/*
 * siphash.h - SipHash-2-4: a hash that nobody can foresee without its key
 *
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).  For short
 * proofs that are checked by who made them; no signature, and not for more than
 * 2^64 / 2 guesses.  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t low, high; /* the first 8 bytes, little-endian, and the last */
};

/* The hash of @len bytes. */
uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);
