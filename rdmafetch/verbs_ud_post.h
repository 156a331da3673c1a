/* SPDX-License-Identifier: MIT */
/*
 * verbs_ud_post.h - where one device takes datagrams for all of a server's
 * guests
 *
 * To answer, the device needs a way to the host (an address handle), made from
 * the first datagram that came from there to the address that is to answer.
 * Some are kept, however many guests a host has. To make one may wait for a
 * neighbour's address, a second where none answers: no more than a tenth of the
 * time goes there, whoever is said to ask.
 *
 * Above: verbs_ud_serve.c.  Threads: the thread of the loop.
 */
#pragma once

#include <rdma/rdma_cma.h>

#include "rdmafetch/dgram_guests.h"
#include "rdmafetch/verbs_hub.h"
#include "rdmafetch/verbs_ud.h"

#define VERBS_UD_WAYS 64u

/* To one host, from one of our addresses: who asks that one hears no other. */
struct verbs_ud_way {
	struct ibv_ah *ah; /* NULL: free */
	uint8_t gid[16], here[16];
	uint64_t last; /* the number of the last send by it */
	uint64_t made_ns;
};

struct verbs_ud_post {
	struct dgram_out out; /* first: what the guests see of it */
	struct verbs_ud_post *next;
	struct verbs_hub *hub;
	struct verbs_domain *domain;
	uint8_t port_num;
	uint16_t service; /* the port clients look for */
	struct verbs_ud ud;
	struct verbs_ud_way ways[VERBS_UD_WAYS];
	uint64_t no_way_until_ns; /* 0: a new one may be made */
	struct verbs_ud_way *way; /* of the datagram that is being written */
	uint32_t qpn;		  /* and whose it is */
};

/*
 * For the device and the port that @id came by.  Its events wake @loop.
 * Returns 0 or -errno of libibverbs.
 */
int verbs_ud_post_open(struct loop *loop, const struct rdma_cm_id *id,
		       struct verbs_ud_post **ret);

/* Whether @id came by it. */
bool verbs_ud_post_is_of(const struct verbs_ud_post *post,
			 const struct rdma_cm_id *id);

/* Take up to @max completions, and hand what came to @guests.  How many, more
 * than @max by some; they are answered at the next verbs_ud_flush(). */
int verbs_ud_post_poll(struct verbs_ud_post *post, struct dgram_guests *guests,
		       int max);

/* NULL is allowed. */
void verbs_ud_post_close(struct verbs_ud_post *post);
