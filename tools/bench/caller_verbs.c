/* SPDX-License-Identifier: MIT */
/*
 * caller_verbs.c - NIL calls over a verbs connection
 *
 * The connection is the client's own (rdmafetch/verbs_link.h), taken over once
 * HELLO is done.  All calls that begin together go together, as many in a SEND
 * as fit, with one doorbell.  Few are signalled: a completion tells of all
 * sends before it, and an answer says that its SEND has arrived, so that the
 * buffer may be used again once all of its calls are answered.
 */
#include <errno.h>
#include <sched.h>
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
#define LOOKS_ALONE  32u
#define SEND_BYTES   4160u /* each on cache lines of its own */

_Static_assert(CALLER_UNDERWAY_RDMA_MAX <= VERBS_RECVS, "answers fit");
_Static_assert(SEND_BYTES >= VERBS_MESSAGE_MAX, "a SEND fits");

struct caller_verbs {
	struct caller base;
	struct verbs_link *link;
	struct verbs_spin spin;
	struct ibv_mr *mr; /* of sends */
	uint8_t *sends;	   /* as many as there may be calls under way */
	unsigned nr_free, free_sends[CALLER_UNDERWAY_RDMA_MAX];
	unsigned nr_calls[CALLER_UNDERWAY_RDMA_MAX]; /* not answered, by send */
	unsigned send_of[CALLER_UNDERWAY_RDMA_MAX];  /* by a call's id */
	unsigned since_signal;
	struct ibv_send_wr wrs[CALLER_UNDERWAY_RDMA_MAX];
	struct ibv_sge sges[CALLER_UNDERWAY_RDMA_MAX];
};

static struct caller_verbs *verbs_of(struct caller *caller)
{
	return (struct caller_verbs *)caller;
}

/* ---- calls ---- */

/* As many of @nr calls as fit in one SEND: how many. */
static unsigned put_calls(struct caller_verbs *verbs, struct ibv_sge *sge,
			  unsigned nr, uint64_t now_ns)
{
	uint32_t call_bytes = WIRE_HEADER_BYTES + verbs->base.body_bytes;
	unsigned send = verbs->free_sends[--verbs->nr_free];
	uint8_t *out = verbs->sends + (size_t)send * SEND_BYTES;
	unsigned most = VERBS_MESSAGE_MAX / call_bytes, put = 0;

	for (; put < nr && put < most; put++)
		verbs->send_of[caller_put(&verbs->base, out + put * call_bytes,
					  now_ns)] = send;
	verbs->nr_calls[send] = put;
	*sge = (struct ibv_sge){
		.addr = (uintptr_t)out,
		.length = put * call_bytes,
		.lkey = verbs->mr->lkey,
	};
	return put;
}

static void put_send(struct caller_verbs *verbs, unsigned at)
{
	struct ibv_send_wr *wr = &verbs->wrs[at];

	*wr = (struct ibv_send_wr){
		.next = wr + 1,
		.sg_list = &verbs->sges[at],
		.num_sge = 1,
		.opcode = IBV_WR_SEND,
	};
	if (verbs->link->has_inline &&
	    verbs->sges[at].length <= VERBS_SMALL_BYTES)
		wr->send_flags |= IBV_SEND_INLINE;
	if (++verbs->since_signal == SIGNAL_EVERY) {
		wr->send_flags |= IBV_SEND_SIGNALED;
		verbs->since_signal = 0;
	}
}

static int verbs_start(struct caller *caller, unsigned nr)
{
	struct caller_verbs *verbs = verbs_of(caller);
	uint64_t now_ns = io_monotonic_ns();
	struct ibv_send_wr *bad;
	unsigned at = 0;

	if (!nr)
		return 0;
	for (; nr; at++) {
		nr -= put_calls(verbs, &verbs->sges[at], nr, now_ns);
		put_send(verbs, at);
	}
	verbs->wrs[at - 1].next = NULL;
	return -ibv_post_send(verbs->link->id->qp, verbs->wrs, &bad);
}

/* ---- answers ---- */

static int take_answer(struct caller_verbs *verbs, struct vpack *pack,
		       uint64_t now_ns, struct hist *hist)
{
	const uint8_t *message = pack->at, *body;
	struct wire_header header;
	unsigned send;
	int error = vpack_next(pack, &header, &body);

	if (!error)
		error = caller_take(&verbs->base, message, now_ns, hist);
	if (error)
		return error;
	send = verbs->send_of[header.id];
	if (!--verbs->nr_calls[send])
		verbs->free_sends[verbs->nr_free++] = send;
	return 0;
}

/* How many answers came by @wc, or -errno. */
static int take(struct caller_verbs *verbs, const struct ibv_wc *wc,
		uint64_t now_ns, struct hist *hist)
{
	unsigned at = (unsigned)(wc->wr_id & ~VERBS_RECV_BIT);
	struct vpack pack = {NULL, wc->byte_len};
	int error = 0, nr = 0;

	if (wc->status != IBV_WC_SUCCESS)
		return -ECONNRESET;
	if (!(wc->wr_id & VERBS_RECV_BIT))
		return 0;
	pack.at = (const uint8_t *)verbs_link_recv_buf(verbs->link, at);
	do {
		error = take_answer(verbs, &pack, now_ns, hist);
		nr++;
	} while (!error && pack.left_bytes);
	if (!error)
		error = verbs_link_post_recv(verbs->link, at);
	return error ? error : nr;
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

/* Look as long as it pays, as the transport does; but there may be more callers
 * that only look than there are CPUs, so after some looks others may run. */
static int look(struct caller_verbs *verbs, struct hist *hist, bool *was_away)
{
	uint64_t now_ns = io_monotonic_ns();
	struct verbs_look look = verbs_spin_look(
		&verbs->spin, now_ns, now_ns + CALLER_PATIENCE_MS * NS_PER_MS);
	unsigned nr_looks = 0;
	int nr = poll_once(verbs, hist);

	while (!nr && verbs_look_again(&look, io_monotonic_ns())) {
		if (++nr_looks > LOOKS_ALONE)
			(void)sched_yield();
		nr = poll_once(verbs, hist);
	}
	*was_away = look.was_away;
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
	uint64_t from_ns = io_monotonic_ns();
	struct verbs_waited waited = {0};
	int nr = look(verbs, hist, &waited.was_away);

	while (!nr && waited.ns < CALLER_PATIENCE_MS * NS_PER_MS) {
		waited.slept = true;
		nr = sleep_for(verbs, hist);
		waited.ns = io_monotonic_ns() - from_ns;
	}
	if (!waited.slept)
		waited.ns = io_monotonic_ns() - from_ns;
	verbs_spin_learn(&verbs->spin, &waited);
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
	free(verbs->sends);
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

static int register_sends(struct caller_verbs *verbs)
{
	size_t bytes = (size_t)verbs->base.underway_max * SEND_BYTES;

	verbs->sends = calloc(1, bytes);
	if (!verbs->sends)
		return -ENOMEM;
	while (verbs->nr_free < verbs->base.underway_max) {
		verbs->free_sends[verbs->nr_free] = verbs->nr_free;
		verbs->nr_free++;
	}
	verbs->mr = ibv_reg_mr(verbs->link->pd, verbs->sends, bytes, 0);
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
		error = register_sends(verbs);
	if (error)
		caller_close(&verbs->base);
	else
		*ret = &verbs->base;
	return error;
}
