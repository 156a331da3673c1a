/* SPDX-License-Identifier: MIT */
/*
 * null.h - a transport with no far end, for tests and as the contract's example
 *
 * Every read finishes at once with a pattern that tells its address, unless the
 * caller asked for delay, disorder, loss or failure.
 */
#pragma once

#include <stdint.h>

#include "rdmafetch/transport.h"

struct null_options {
	uint64_t delay_ns;   /* each read takes this long */
	unsigned reorder;    /* finish in reversed groups of this many */
	unsigned lose_every; /* every n-th read never finishes; 0: none */
	unsigned fail_every; /* every n-th read fails with fail_result */
	int fail_result;     /* -errno */
	unsigned
		break_after; /* the connection breaks after n reads; 0: never */
};

/* Returns 0 or -ENOMEM.  @options may be NULL: no faults.  */
int null_open(const struct null_options *options, struct transport **ret);

/* The 8 byte word that a read of @raddr finds at @raddr. */
uint64_t null_word(uint32_t object, uint64_t raddr);
