/* SPDX-License-Identifier: MIT */
/* verbs_ud_link.c - see verbs_ud_link.h */
#include "rdmafetch/verbs_ud_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "rdmafetch/verbs_dial.h"
#include "rdmafetch/verbs_spin.h"
#include "rdmafetch/verbs_ud.h"

#define NS_PER_MS 1000000ull
#define NR_RECVS  128u
#define NR_SENDS  64u
#define ALONE	  32u /* looks, after which others may run between two */

struct ud_link {
	struct dgram_link base;
	struct rdma_event_channel *events;
	struct rdma_cm_id *id; /* of the route; no queue pair is its */
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct verbs_ud ud;
	struct ibv_ah *ah;
	uint32_t peer_qpn;
	uint8_t peer_gid[16];
	struct verbs_spin spin;
	int held; /* the receive buffer that the caller looks at, or -1 */
};

static struct ud_link *link_of(struct dgram_link *base)
{
	return (struct ud_link *)base;
}

static int error_of_call(void)
{
	return errno ? -errno : -EIO;
}

/* ---- datagrams ---- */

static int link_send(struct dgram_link *base, const void *bytes, size_t len)
{
	struct ud_link *link = link_of(base);
	uint8_t *to = verbs_ud_begin(&link->ud);

	if (to) { /* else it is lost */
		memcpy(to, bytes, len);
		(void)verbs_ud_send(&link->ud, link->ah, link->peer_qpn,
				    (uint32_t)len);
	}
	verbs_ud_flush(&link->ud);
	return link->ud.is_broken ? -EIO : 0;
}

static bool is_from_peer(const struct ud_link *link, const struct ibv_wc *wc,
			 unsigned at)
{
	uint8_t from[16], to[16];

	if (wc->src_qp != link->peer_qpn || !(wc->wc_flags & IBV_WC_GRH) ||
	    wc->byte_len <= sizeof(struct ibv_grh))
		return false;
	verbs_ud_ways(&link->ud, at, from, to);
	return !memcmp(from, link->peer_gid, sizeof(from));
}

/* The next datagram that is here: its length, 0: none, or -errno. */
static int poll_once(struct ud_link *link)
{
	struct ibv_wc wc;
	unsigned at;
	int nr;

	while ((nr = ibv_poll_cq(link->cq, 1, &wc)) > 0) {
		if (!verbs_ud_took(&link->ud, &wc, &at))
			continue;
		if (is_from_peer(link, &wc, at)) {
			link->held = (int)at;
			return (int)(wc.byte_len - sizeof(struct ibv_grh));
		}
		verbs_ud_repost(&link->ud, at);
	}
	return nr < 0 || link->ud.is_broken ? -EIO : 0;
}

static int look(struct ud_link *link, uint64_t until_ns, bool *was_away)
{
	struct verbs_look look =
		verbs_spin_look(&link->spin, io_monotonic_ns(), until_ns);
	unsigned nr_looks = 0;
	int len = poll_once(link);

	while (!len && verbs_look_again(&look, io_monotonic_ns())) {
		if (++nr_looks > ALONE)
			(void)sched_yield();
		len = poll_once(link);
	}
	*was_away = look.was_away;
	return len;
}

/* An event that woke us before is taken, the next is asked for. */
static void arm(struct ud_link *link)
{
	struct ibv_cq *cq;
	void *context;

	while (!ibv_get_cq_event(link->channel, &cq, &context))
		ibv_ack_cq_events(cq, 1);
	(void)ibv_req_notify_cq(link->cq, 0);
}

static int sleep_until(struct ud_link *link, uint64_t until_ns)
{
	struct pollfd pollfd = {link->channel->fd, POLLIN, 0};
	int len = 0;

	while (!len) {
		uint64_t now_ns = io_monotonic_ns();

		if (now_ns >= until_ns)
			return 0;
		arm(link);
		len = poll_once(link);
		if (!len)
			(void)poll(&pollfd, 1,
				   (int)((until_ns - now_ns) / NS_PER_MS) + 1);
		if (!len)
			len = poll_once(link);
		if (!len && verbs_dial_is_over(link->events))
			return -ENODEV;
	}
	return len;
}

static int link_recv(struct dgram_link *base, int timeout_ms,
		     const uint8_t **ret_bytes)
{
	struct ud_link *link = link_of(base);
	uint64_t from_ns = io_monotonic_ns();
	uint64_t until_ns = from_ns + (uint64_t)timeout_ms * NS_PER_MS;
	struct verbs_waited waited = {0};
	int len;

	if (link->held >= 0)
		verbs_ud_repost(&link->ud, (unsigned)link->held);
	link->held = -1;
	verbs_ud_flush(&link->ud);
	len = look(link, until_ns, &waited.was_away);
	if (!len) {
		waited.slept = true;
		len = sleep_until(link, until_ns);
	}
	waited.ns = io_monotonic_ns() - from_ns;
	verbs_spin_learn(&link->spin, &waited);
	if (len > 0)
		*ret_bytes = verbs_ud_bytes(&link->ud, (unsigned)link->held);
	return len;
}

/* ---- life ---- */

static void link_close(struct dgram_link *base)
{
	struct ud_link *link = link_of(base);

	verbs_ud_close(&link->ud);
	if (link->ah)
		(void)ibv_destroy_ah(link->ah);
	if (link->cq)
		(void)ibv_destroy_cq(link->cq);
	if (link->channel)
		(void)ibv_destroy_comp_channel(link->channel);
	if (link->pd)
		(void)ibv_dealloc_pd(link->pd);
	if (link->id)
		(void)rdma_destroy_id(link->id);
	if (link->events)
		rdma_destroy_event_channel(link->events);
	free(link);
}

static int do_not_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	return 0;
}

static int open_queue(struct ud_link *link)
{
	struct ibv_context *context = link->id->verbs;

	errno = 0;
	link->pd = ibv_alloc_pd(context);
	if (!link->pd)
		return error_of_call();
	link->channel = ibv_create_comp_channel(context);
	if (!link->channel)
		return error_of_call();
	link->cq = ibv_create_cq(context, NR_RECVS + NR_SENDS, NULL,
				 link->channel, 0);
	if (!link->cq)
		return error_of_call();
	return do_not_block(link->channel->fd);
}

static int open_pair(struct ud_link *link)
{
	const struct verbs_ud_place place = {
		.pd = link->pd,
		.cq = link->cq,
		.port_num = link->id->port_num,
		.nr_recvs = NR_RECVS,
		.nr_sends = NR_SENDS,
	};

	return verbs_ud_open(&link->ud, &place);
}

/* A way with a global header, always: it says who sends. */
static int open_way(struct ud_link *link, struct rdma_ud_param *param)
{
	if (!param->ah_attr.is_global) {
		param->ah_attr.is_global = 1;
		param->ah_attr.grh.dgid = link->id->route.addr.addr.ibaddr.dgid;
		param->ah_attr.grh.hop_limit = 1;
	}
	memcpy(link->peer_gid, param->ah_attr.grh.dgid.raw,
	       sizeof(link->peer_gid));
	link->peer_qpn = param->qp_num;
	errno = 0;
	link->ah = ibv_create_ah(link->pd, &param->ah_attr);
	return link->ah ? 0 : error_of_call();
}

static int open_all(struct ud_link *link, const struct verbs_address *address)
{
	uint64_t deadline_ns =
		io_monotonic_ns() + (uint64_t)address->timeout_ms * NS_PER_MS;
	struct rdma_ud_param param;
	int error;

	errno = 0;
	link->events = rdma_create_event_channel();
	if (!link->events)
		return error_of_call();
	error = do_not_block(link->events->fd);
	if (!error)
		error = verbs_dial_route(link->events, address, RDMA_PS_UDP,
					 deadline_ns, &link->id);
	if (!error)
		error = open_queue(link);
	if (!error)
		error = open_pair(link);
	if (!error)
		error = verbs_dial_find(link->id, link->ud.qp->qp_num,
					deadline_ns, &param);
	return error ? error : open_way(link, &param);
}

int verbs_ud_link_open(const struct verbs_address *address,
		       struct dgram_link **ret)
{
	struct ud_link *link = calloc(1, sizeof(*link));
	int error;

	if (!link)
		return -ENOMEM;
	link->held = -1;
	verbs_spin_init(&link->spin, address->completion);
	error = verbs_address_device("");
	if (!error)
		error = open_all(link, address);
	link->base = (struct dgram_link){
		.max_bytes = link->ud.max_bytes,
		.send = link_send,
		.recv = link_recv,
		.close = link_close,
	};
	if (error)
		link_close(&link->base);
	else
		*ret = &link->base;
	return error;
}

/* A credential is good for an IP address, which a GID is with RoCE alone. */
static int check_sec(const struct ud_link *link, const struct sec_settings *sec,
		     char *why)
{
	struct ibv_port_attr attr;

	if (sec->kind != WIRE_SEC_MUNGE ||
	    ibv_query_port(link->id->verbs, link->id->port_num, &attr) ||
	    attr.link_layer != IBV_LINK_LAYER_INFINIBAND)
		return 0;
	(void)snprintf(why, WIRE_WHY_MAX + 1,
		       "datagrams over InfiniBand tell no IP address, for "
		       "which a munge credential is good: use a connection");
	return -EOPNOTSUPP;
}

int verbs_ud_hello(const struct verbs_address *address,
		   struct dgram_call *ret_call, char *why)
{
	struct sec_way way = {.is_verbs = true};
	const struct dgram_greeting greeting = {&address->sec, &way,
						address->timeout_ms};
	struct dgram_link *link;
	int error = verbs_ud_link_open(address, &link);

	why[0] = '\0';
	if (!error) {
		way.server = rdma_get_peer_addr(link_of(link)->id);
		error = check_sec(link_of(link), &address->sec, why);
		if (error)
			link_close(link);
		else
			error = dgram_hello(link, &greeting, ret_call, why);
	}
	if (error && !why[0])
		verbs_address_explain(address, error, why);
	return error;
}
