/* SPDX-License-Identifier: MIT */
/*
 * caller_verbs.c - NIL calls over a verbs connection
 *
 * The connection is the client's own (rdmafetch/verbs_link.h), taken over once
 * HELLO is done.  All calls that begin together are one chain and one doorbell.
 * Few are signalled: a completion tells of all sends before it, and an answer
 * says that its call has arrived, so that its buffer may be used again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/wire.h"
#include "rdmafetch/verbs_control.h"
#include "rdmafetch/verbs_link.h"
#include "tools/bench/caller_base.h"

#define NS_PER_MS    1000000ull
#define WCS	     32
#define SIGNAL_EVERY 32u
#define CALL_BYTES   4160u /* each on cache lines of its own */

_Static_assert(CALLER_UNDERWAY_RDMA_MAX <= VERBS_RECVS, "answers fit");
_Static_assert(CALL_BYTES >= VERBS_MESSAGE_MAX, "a call fits");

struct caller_verbs {
	struct caller base;
	struct verbs_link *link;
	struct verbs_spin spin;
	struct ibv_mr *mr; /* of calls */
	uint8_t *calls;
	unsigned since_signal;
	struct ibv_send_wr wrs[CALLER_UNDERWAY_RDMA_MAX];
	struct ibv_sge sges[CALLER_UNDERWAY_RDMA_MAX];
};

static struct caller_verbs *verbs_of(struct caller *caller)
{
	return (struct caller_verbs *)caller;
}

/* ---- calls ---- */

static void put_call(struct caller_verbs *verbs, unsigned at, uint64_t now_ns)
{
	struct caller *caller = &verbs->base;
	uint32_t len = WIRE_HEADER_BYTES + caller->body_bytes;
	/* caller_put() takes the id at the top. */
	unsigned id = caller->free_ids[caller->nr_free - 1];
	uint8_t *call = verbs->calls + (size_t)id * CALL_BYTES;

	(void)caller_put(caller, call, now_ns);
	verbs->sges[at] = (struct ibv_sge){
		.addr = (uintptr_t)call,
		.length = len,
		.lkey = verbs->mr->lkey,
	};
	verbs->wrs[at] = (struct ibv_send_wr){
		.next = &verbs->wrs[at + 1],
		.sg_list = &verbs->sges[at],
		.num_sge = 1,
		.opcode = IBV_WR_SEND,
	};
	if (verbs->link->has_inline && len <= VERBS_SMALL_BYTES)
		verbs->wrs[at].send_flags |= IBV_SEND_INLINE;
	if (++verbs->since_signal == SIGNAL_EVERY) {
		verbs->wrs[at].send_flags |= IBV_SEND_SIGNALED;
		verbs->since_signal = 0;
	}
}

static int verbs_start(struct caller *caller, unsigned nr)
{
	struct caller_verbs *verbs = verbs_of(caller);
	uint64_t now_ns = io_monotonic_ns();
	struct ibv_send_wr *bad;

	for (unsigned at = 0; at < nr; at++)
		put_call(verbs, at, now_ns);
	if (!nr)
		return 0;
	verbs->wrs[nr - 1].next = NULL;
	return -ibv_post_send(verbs->link->id->qp, verbs->wrs, &bad);
}

/* ---- answers ---- */

static int take(struct caller_verbs *verbs, const struct ibv_wc *wc,
		uint64_t now_ns, struct hist *hist)
{
	unsigned at = (unsigned)(wc->wr_id & ~VERBS_RECV_BIT);
	int error;

	if (wc->status != IBV_WC_SUCCESS)
		return -ECONNRESET;
	if (!(wc->wr_id & VERBS_RECV_BIT))
		return 0;
	if (wc->byte_len < WIRE_HEADER_BYTES)
		return -EPROTO;
	error = caller_take(&verbs->base,
			    (void *)verbs_link_recv_buf(verbs->link, at),
			    now_ns, hist);
	if (!error)
		error = verbs_link_post_recv(verbs->link, at);
	return error ? error : 1;
}

/* All that has come: how many answers, or -errno. */
static int poll_once(struct caller_verbs *verbs, struct hist *hist)
{
	struct ibv_wc wcs[WCS];
	int nr = ibv_poll_cq(verbs->link->cq, WCS, wcs), answers = 0;
	uint64_t now_ns = nr > 0 ? io_monotonic_ns() : 0;

	for (int i = 0; i < nr; i++) {
		int took = take(verbs, &wcs[i], now_ns, hist);

		if (took < 0)
			return took;
		answers += took;
	}
	return nr < 0 ? -EIO : answers;
}

/* Look as long as it pays, as the transport does. */
static int look(struct caller_verbs *verbs, struct hist *hist)
{
	uint64_t budget_ns = verbs_spin_budget_ns(&verbs->spin);
	uint64_t from_ns = io_monotonic_ns();
	int nr;

	if (budget_ns > CALLER_PATIENCE_MS * NS_PER_MS)
		budget_ns = CALLER_PATIENCE_MS * NS_PER_MS;
	do {
		nr = poll_once(verbs, hist);
	} while (!nr && io_monotonic_ns() - from_ns < budget_ns);
	return nr;
}

/* Arm, look once more, sleep, look. */
static int sleep_for(struct caller_verbs *verbs, struct hist *hist)
{
	int nr;

	verbs_link_arm(verbs->link);
	nr = poll_once(verbs, hist);
	if (nr)
		return nr;
	verbs_link_wait(verbs->link, CALLER_PATIENCE_MS);
	nr = poll_once(verbs, hist);
	return !nr && verbs->link->is_over ? -ECONNRESET : nr;
}

static int verbs_reap(struct caller *caller, struct hist *hist)
{
	struct caller_verbs *verbs = verbs_of(caller);
	uint64_t from_ns = io_monotonic_ns(), waited_ns = 0;
	int nr = look(verbs, hist);
	bool slept = !nr;

	while (!nr && waited_ns < CALLER_PATIENCE_MS * NS_PER_MS) {
		nr = sleep_for(verbs, hist);
		waited_ns = io_monotonic_ns() - from_ns;
	}
	if (!slept)
		waited_ns = io_monotonic_ns() - from_ns;
	verbs_spin_learn(&verbs->spin, waited_ns, slept);
	return nr ? nr : -ETIMEDOUT;
}

/* ---- life ---- */

static void verbs_close(struct caller *caller)
{
	struct caller_verbs *verbs = verbs_of(caller);

	if (verbs->link)
		verbs_link_cut(verbs->link);
	if (verbs->mr)
		(void)ibv_dereg_mr(verbs->mr);
	verbs_link_close(verbs->link);
	free(verbs->calls);
	free(verbs);
}

static const struct caller_ops verbs_ops = {
	.start = verbs_start,
	.reap = verbs_reap,
	.close = verbs_close,
};

static int connect_to(struct caller_verbs *verbs,
		      const struct caller_options *options, char *why)
{
	const struct tcp_address *tcp = &options->address;
	struct verbs_address address = {
		.port = tcp->port,
		.timeout_ms = tcp->timeout_ms,
		.completion = options->completion,
		.sec = tcp->sec,
	};
	struct verbs_control *control;
	uint64_t seq;
	int error;

	strcpy(address.host, tcp->host);
	(void)snprintf(address.device, sizeof(address.device), "%s",
		       options->device ? options->device : "");
	error = verbs_control_hello(&address, &control, why);
	if (!error)
		verbs->link = verbs_control_steal(control, &seq);
	else if (!why[0])
		verbs_address_explain(&address, error, why);
	return error;
}

static int register_calls(struct caller_verbs *verbs)
{
	size_t bytes = (size_t)verbs->base.underway_max * CALL_BYTES;

	verbs->calls = calloc(1, bytes);
	if (!verbs->calls)
		return -ENOMEM;
	verbs->mr = ibv_reg_mr(verbs->link->pd, verbs->calls, bytes, 0);
	return verbs->mr ? 0 : -errno;
}

int caller_verbs_open(const struct caller_options *options, struct caller **ret,
		      char *why)
{
	struct caller_verbs *verbs = calloc(1, sizeof(*verbs));
	int error;

	if (!verbs)
		return -ENOMEM;
	caller_init(&verbs->base, &verbs_ops, options);
	verbs_spin_init(&verbs->spin, options->completion);
	error = connect_to(verbs, options, why);
	if (!error)
		error = register_calls(verbs);
	if (error)
		caller_close(&verbs->base);
	else
		*ret = &verbs->base;
	return error;
}
