/* SPDX-License-Identifier: MIT */
/*
 * verbs_conn.h - one client's queue pair at the serving end, and its messages
 *
 *     recvs   0..95    each is posted, or holds a request that waits
 *     sends  96..127   each is free, being filled, in the chain, or posted
 *
 *     vconn_message() -> fill -> vconn_send() ... vconn_flush()
 *
 * Messages of one turn of the loop go together, as many in a SEND as fit
 * (verbs_pack.h), and the turn's SENDs are one chain, posted at its end.  A
 * short one goes inline, so its buffer is free again at once; few are
 * signalled, and one completion tells of all sends before it.
 *
 * Above: verbs_client.c, the protocol.
 * Threads: the thread of the loop.
 */
#pragma once

#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/verbs_hub.h"
#include "rdmafetch/verbs_pack.h"

#define VCONN_SENDS   32u
#define VCONN_BUFFERS (VERBS_RECVS_POSTED + VCONN_SENDS)

/* What a completion is of: the lower half of its wr_id. */
enum vconn_kind { VCONN_RECV, VCONN_SEND, VCONN_PROBE };

struct vconn_tag {
	uint32_t owner; /* as given to vconn_open() */
	enum vconn_kind kind;
	uint16_t at; /* a buffer's number, or a send's */
};

struct verbs_conn {
	struct verbs_hub *hub;
	struct rdma_cm_id *id; /* with the queue pair */
	struct verbs_domain *domain;
	struct ibv_mr *mr; /* all buffers */
	uint32_t owner, qp_num;
	unsigned inline_max;
	bool is_broken; /* a post has failed: nothing more will come */
	struct ibv_recv_wr *to_post, **to_post_end;
	struct ibv_send_wr *chain, **chain_end;
	struct ibv_send_wr *open;    /* of the chain the last: may take more */
	uint32_t nr_sent, nr_done;   /* ever put into the chain; known done */
	uint32_t nr_asked, asked_at; /* signalled: under way, number of last */
	uint64_t asked_ns; /* since when the oldest of these waits, about */
	unsigned nr_free;
	uint8_t free_sends[VCONN_SENDS];
	uint8_t buffer_of[VERBS_SENDS_POSTED]; /* by number of the send */
	struct ibv_send_wr sends[VCONN_SENDS];
	struct ibv_recv_wr recvs[VERBS_RECVS_POSTED];
	struct ibv_sge sges[VCONN_BUFFERS];
};

/* What a completion's wr_id says. */
struct vconn_tag vconn_tag_of(uint64_t wr_id);

/*
 * Make the queue pair of @id on @hub's queue, in a domain of its own, and post
 * its receives.  Completions carry @owner.  The id stays the caller's in any
 * case.  Returns 0 or -errno of libibverbs and librdmacm.
 */
int vconn_open(struct verbs_hub *hub, struct rdma_cm_id *id, uint32_t owner,
	       struct verbs_conn **ret);

/* Once it is connected: less rights for the peer, less waiting for it. */
void vconn_connected(struct verbs_conn *conn);

/* The requests in receive buffer @at. */
const uint8_t *vconn_request(const struct verbs_conn *conn, unsigned at);

/* Done with them: the buffer takes others. */
void vconn_repost(struct verbs_conn *conn, unsigned at);

/* How many more messages there is room for now, however long. */
unsigned vconn_room(struct verbs_conn *conn);

/*
 * Where the next message, of at most @max_bytes, is to be written; only while
 * there is room.  The same place again when asked for no more.  The next call
 * is vconn_send() with its length.
 */
uint8_t *vconn_message(struct verbs_conn *conn, uint32_t max_bytes);
void vconn_send(struct verbs_conn *conn, uint32_t len_bytes);

/* Post what was reposted and sent.  Returns 1 when it posted a send. */
int vconn_flush(struct verbs_conn *conn);

/* A completion of send number @at: it and all before it are done. */
void vconn_sent(struct verbs_conn *conn, uint16_t at);

/*
 * Send the peer nothing: a write of no bytes, which completes when its device
 * has acknowledged it, or in error when it does not.  Returns 0, or -EAGAIN
 * when the queue is full.
 */
int vconn_probe(struct verbs_conn *conn);

/*
 * Disconnect and free, but for the id and, while others hold it, the domain.
 * No completion of it need be waited for.  NULL and half-built are allowed.
 */
void vconn_close(struct verbs_conn *conn);
