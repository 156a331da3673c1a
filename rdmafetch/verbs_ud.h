/* SPDX-License-Identifier: MIT */
/*
 * verbs_ud.h - an unreliable datagram queue pair, and its buffers
 *
 *     [ head, datagram ] nr_recvs times   the head is where it came from
 *     [ datagram ] nr_sends times         sent in turn, used again in turn
 *
 * One is enough for any number of peers: whom a datagram goes to is said with
 * it. It takes no more than the port's MTU. What nobody has posted a buffer for
 * is lost, and nobody is told.
 *
 * Above: verbs_ud_serve.c and verbs_ud_link.c, whose the completion queue is.
 * Threads: one at a time.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "rdmafetch/dgram_guests.h"

struct verbs_ud {
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	uint8_t *memory; /* NULL: not open */
	uint32_t max_bytes;
	unsigned nr_recvs, nr_sends;
	bool is_broken;	    /* a post or a work request has failed */
	uint64_t seq, done; /* sends begun, and known to be over */
	struct ibv_send_wr *sends, *chain, **chain_end;
	struct ibv_recv_wr *recvs, *to_post, **to_post_end;
	struct ibv_sge *sges;
};

/* What is to be opened where. */
struct verbs_ud_place {
	struct ibv_pd *pd;
	struct ibv_cq *cq; /* with room for all of both */
	uint8_t port_num;
	unsigned nr_recvs, nr_sends;
};

/*
 * Make the queue pair, ready to send; its receives are posted.  Close it in any
 * case.  Returns 0, -EOPNOTSUPP when the port's MTU is under DGRAM_MIN_BYTES,
 * -ENOMEM, or -errno of libibverbs.
 */
int verbs_ud_open(struct verbs_ud *ud, const struct verbs_ud_place *place);

/* Where the next datagram is to be written, max_bytes of room, or NULL: as many
 * as there is room for are under way. */
uint8_t *verbs_ud_begin(struct verbs_ud *ud);

/* Send it to queue pair @qpn, at the next verbs_ud_flush(); returns its number.
 * @ah lives until verbs_ud_is_done(). */
uint64_t verbs_ud_send(struct verbs_ud *ud, struct ibv_ah *ah, uint32_t qpn,
		       uint32_t len_bytes);

/* Whether the device is done with send @number; soon after it is. */
static inline bool verbs_ud_is_done(const struct verbs_ud *ud, uint64_t number)
{
	return number < ud->done;
}

/*
 * Take the completion @wc.  True: a datagram came, in receive buffer *@ret_at.
 * One that failed says that the queue pair is in error, and so will all be.
 */
bool verbs_ud_took(struct verbs_ud *ud, const struct ibv_wc *wc,
		   unsigned *ret_at);

/* The datagram in receive buffer @at, and before it its head. */
const uint8_t *verbs_ud_bytes(const struct verbs_ud *ud, unsigned at);
const struct ibv_grh *verbs_ud_head(const struct verbs_ud *ud, unsigned at);

/* Its buffer takes another, from the next verbs_ud_flush() on. */
void verbs_ud_repost(struct verbs_ud *ud, unsigned at);

/* Post what was reposted and sent. */
void verbs_ud_flush(struct verbs_ud *ud);

/* No completion comes after this.  Zeros and half-built are allowed. */
void verbs_ud_close(struct verbs_ud *ud);

/*
 * From whom to whom the datagram in @at came, by its head: GIDs, IPv4 addresses
 * as ::ffff:a.b.c.d.
 */
void verbs_ud_ways(const struct verbs_ud *ud, unsigned at, uint8_t ret_from[16],
		   uint8_t ret_to[16]);

/* The socket address of @gid. */
void verbs_ud_address(const uint8_t gid[16], uint16_t port,
		      struct sockaddr_storage *ret);
