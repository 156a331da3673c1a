/* SPDX-License-Identifier: MIT */
/*
 * fake_verbs.h - a far end that speaks the protocol over RDMA, and misbehaves
 *
 * One thread, one connection after another.  Its image holds the bytes of
 * pattern_fill(); from FAKE_VERBS_AT on it is real memory, registered in
 * several regions with holes between them, as an image's areas are:
 *
 *     page   0      100  104      200 201 202 203 204 205          6656
 *     key    [ 0      ]hole[ 1     ][ 2 ][ 3 ][ 4 ][ 5 ][ 6          ]
 *
 * The server listens on an address of this host that a device has, in the
 * network namespace FAR_NET (far_net.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/verbs_address.h"

#define FAKE_VERBS_AT 0x7f0000000000ull

struct fake_verbs_options {
	uint64_t delay_ns;    /* of READ messages */
	unsigned reorder;     /* answer in reversed groups of this many */
	unsigned fail_every;  /* every n-th READ message */
	int fail_status;      /* with this */
	unsigned break_after; /* disconnect after n answered READ messages */
	bool no_regions;      /* EXPORT is refused with EOPNOTSUPP */
	bool is_mute;	      /* takes READ messages, answers none */
	bool lies_far;	      /* a FAR reply of another length than asked for */
	bool lies_inline;     /* a reply one byte short */
	int open_status;      /* refuse OPEN */
	uint32_t desc_bytes;  /* 0: a short one */
};

struct fake_verbs;

/* Why there can be none on this machine, or NULL. */
const char *fake_verbs_lack(void);

/* NULL when it cannot listen. */
struct fake_verbs *fake_verbs_start(const struct fake_verbs_options *options);

/* Where it listens, with a timeout of ten seconds. */
struct verbs_address fake_verbs_address(const struct fake_verbs *server);

/* Take back the key of page 0 on; READs under it fail from now on. */
void fake_verbs_revoke(struct fake_verbs *server);

/* READ messages seen on all connections; FAR replies not TAKEN on this one. */
unsigned fake_verbs_nr_asked(const struct fake_verbs *server);
unsigned fake_verbs_nr_far(const struct fake_verbs *server);

/* Disconnect, end the thread. */
void fake_verbs_stop(struct fake_verbs *server);
