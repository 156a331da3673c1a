/* SPDX-License-Identifier: MIT */
/*
 * fake_qp.h - a verbs core whose queue pair only writes down what is posted
 *
 * ibv_post_send(3) calls a function of the device's context: ours.  So posting
 * and completing can be tested, and fuzzed, without a device.
 */
#pragma once

#include "rdmafetch/verbs_done.h"
#include "rdmafetch/verbs_post.h"

#define FAKE_QP_MAX 4096u

/* One posted work request; a message's bytes are copied. */
struct fake_wr {
	uint64_t wr_id, raddr;
	enum ibv_wr_opcode opcode;
	bool is_signalled;
	uint32_t rkey, lkey, len_bytes;
	char *local;
	uint8_t message[VERBS_SMALL_BYTES];
};

struct fake_qp {
	struct verbs_core core;
	struct fake_wr wrs[FAKE_QP_MAX];
	unsigned nr, nr_calls; /* posted ever: the log ends when it is full */
	unsigned nr_recvs;     /* receives given back */
	struct ibv_context context;
	struct ibv_qp qp;
	struct ibv_mr mr, pool;
	struct rdma_cm_id id;
	struct verbs_link link;
};

/* An empty core with no regions, or NULL.  Freed by fake_qp_free(). */
struct fake_qp *fake_qp_new(void);
void fake_qp_free(struct fake_qp *fake);

/* Take @read as verbs_submit() does; false: no room. */
bool fake_qp_take(struct fake_qp *fake, const struct transport_read *read);

/* Complete the work request number @wr_id; as the device would, or otherwise.
 */
void fake_qp_complete(struct fake_qp *fake, uint64_t wr_id,
		      enum ibv_wc_status status);

/* A message of @len bytes comes into receive buffer @at. */
void fake_qp_receive(struct fake_qp *fake, unsigned at, const void *message,
		     uint32_t len);

/* Reap the oldest landed read: its token and result.  False: there is none. */
bool fake_qp_reap(struct fake_qp *fake, struct transport_done *ret);
