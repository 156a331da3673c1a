/* SPDX-License-Identifier: MIT */
/*
 * verbs_house.h - who is at the verbs server: its devices, its clients
 *
 * A client's number is its slot and, above that, how often a slot was taken: an
 * answer that comes late finds nobody, never somebody else.  Completions carry
 * the same in 32 bits, and the queue pair's number.
 *
 * Above: verbs_serve.c.  Threads: the thread of the loop.
 */
#pragma once

#include "rdmafetch/verbs_client.h"

struct verbs_house {
	struct server *server;
	struct loop *loop;
	struct verbs_hub *hubs;
	struct verbs_client *ready; /* have something to do */
	struct verbs_client **slots;
	unsigned nr_slots;
	uint64_t takes;
};

/* For the clients and strangers of @server's options.  0 or -ENOMEM. */
int vhouse_init(struct verbs_house *house, struct server *server,
		struct loop *loop);

/*
 * Let a stranger in that wants to connect, asking for @param.  On success the
 * id is the house's, and its context the client.
 *
 * Returns 0, -EUSERS when the house or the device is full, or -errno of
 * libibverbs and librdmacm.
 */
int vhouse_let_in(struct verbs_house *house, struct rdma_cm_id *id,
		  const struct rdma_conn_param *param);

/* Close it, and its id. */
void vhouse_put_out(struct verbs_house *house, struct verbs_client *client);

/* NULL: it has left. */
struct verbs_client *vhouse_find(const struct verbs_house *house,
				 uint64_t number);

/* Whose completion @wc with @owner in its tag is; NULL: of one that has left.
 */
struct verbs_client *vhouse_owner(const struct verbs_house *house,
				  const struct ibv_wc *wc, uint32_t owner);

/* Devices that are gone: drop their clients, and end those that have none. */
void vhouse_sweep(struct verbs_house *house);

/* Put out all clients. */
void vhouse_empty(struct verbs_house *house);

/* Free what is left; zeros are allowed. */
void vhouse_done(struct verbs_house *house);
