/* SPDX-License-Identifier: MIT */
/* verbs_ud_post.c - see verbs_ud_post.h */
#include "rdmafetch/verbs_ud_post.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"

#define NR_RECVS  512u
#define NR_SENDS  256u
#define POLL_STEP 32
/* A way that took so long has waited for somebody: the next one has to wait,
 * until this was one in so many parts of the time. */
#define WAY_SLOW_NS 5000000u
#define WAY_SHARE   10u
/* A host may have another link address by then, or another router. */
#define WAY_OLD_NS 60000000000ull
/* The hub's queue has room for so many clients' worth of completions. */
#define HUB_CLIENTS 4u

_Static_assert(NR_RECVS + NR_SENDS <=
		       HUB_CLIENTS * (VERBS_RECVS_POSTED + VERBS_SENDS_POSTED),
	       "each work request may end in a completion");

/* ---- ways ---- */

static struct verbs_ud_way *find_way(struct verbs_ud_post *post,
				     const struct dgram_peer *peer)
{
	for (unsigned i = 0; i < VERBS_UD_WAYS; i++) {
		struct verbs_ud_way *way = &post->ways[i];

		if (way->ah && !memcmp(way->gid, peer->gid, sizeof(way->gid)) &&
		    !memcmp(way->here, peer->here, sizeof(way->here)))
			return way;
	}
	return NULL;
}

/* One that is free, or the one that was used least lately and is done. */
static struct verbs_ud_way *find_place(struct verbs_ud_post *post)
{
	struct verbs_ud_way *oldest = NULL;

	for (unsigned i = 0; i < VERBS_UD_WAYS; i++) {
		struct verbs_ud_way *way = &post->ways[i];

		if (!way->ah)
			return way;
		if (verbs_ud_is_done(&post->ud, way->last) &&
		    (!oldest || way->last < oldest->last))
			oldest = way;
	}
	if (oldest) {
		(void)ibv_destroy_ah(oldest->ah);
		oldest->ah = NULL;
	}
	return oldest;
}

static struct ibv_ah *make_way(struct verbs_ud_post *post, struct ibv_wc *wc,
			       unsigned at)
{
	uint64_t from_ns = io_monotonic_ns(), took_ns;
	struct ibv_ah *ah = ibv_create_ah_from_wc(
		post->domain->pd, wc,
		(struct ibv_grh *)verbs_ud_head(&post->ud, at), post->port_num);

	took_ns = io_monotonic_ns() - from_ns;
	if (took_ns > WAY_SLOW_NS)
		post->no_way_until_ns = from_ns + WAY_SHARE * took_ns;
	return ah;
}

static bool is_old(const struct verbs_ud_post *post,
		   const struct verbs_ud_way *way, uint64_t now_ns)
{
	return now_ns - way->made_ns > WAY_OLD_NS &&
	       verbs_ud_is_done(&post->ud, way->last);
}

/* The old one is better than none, until the next look. */
static void renew(struct verbs_ud_way *way, struct ibv_ah *ah, uint64_t now_ns)
{
	way->made_ns = now_ns;
	if (!ah)
		return;
	(void)ibv_destroy_ah(way->ah);
	way->ah = ah;
}

/* Where the datagram in buffer @at came from can be answered from now. */
static void learn_way(struct verbs_ud_post *post, struct ibv_wc *wc,
		      unsigned at, const struct dgram_peer *peer)
{
	struct verbs_ud_way *way = find_way(post, peer);
	uint64_t now_ns = io_monotonic_ns();

	if ((way && !is_old(post, way, now_ns)) ||
	    now_ns < post->no_way_until_ns)
		return;
	if (way) {
		renew(way, make_way(post, wc, at), now_ns);
		return;
	}
	way = find_place(post);
	if (!way)
		return;
	way->ah = make_way(post, wc, at);
	way->made_ns = now_ns;
	memcpy(way->gid, peer->gid, sizeof(way->gid));
	memcpy(way->here, peer->here, sizeof(way->here));
	way->last = 0;
}

/* ---- out ---- */

static struct verbs_ud_post *post_of(struct dgram_out *out)
{
	return (struct verbs_ud_post *)out;
}

static uint8_t *begin(struct dgram_out *out, const struct dgram_peer *peer)
{
	struct verbs_ud_post *post = post_of(out);

	post->way = find_way(post, peer);
	post->qpn = peer->qpn;
	return post->way ? verbs_ud_begin(&post->ud) : NULL;
}

static void send_it(struct dgram_out *out, size_t len)
{
	struct verbs_ud_post *post = post_of(out);

	post->way->last = verbs_ud_send(&post->ud, post->way->ah, post->qpn,
					(uint32_t)len);
}

/* ---- in ---- */

static void take(struct verbs_ud_post *post, struct dgram_guests *guests,
		 struct ibv_wc *wc, unsigned at)
{
	struct sockaddr_storage here, there;
	struct dgram_came came = {
		.out = &post->out,
		.peer = {.qpn = wc->src_qp},
		.here = &here,
		.there = &there,
		.bytes = verbs_ud_bytes(&post->ud, at),
		.now_ns = post->hub->now_ns,
	};

	if (!(wc->wc_flags & IBV_WC_GRH) ||
	    wc->byte_len < sizeof(struct ibv_grh))
		return;
	came.len_bytes = wc->byte_len - sizeof(struct ibv_grh);
	verbs_ud_ways(&post->ud, at, came.peer.gid, came.peer.here);
	verbs_ud_address(came.peer.here, post->service, &here);
	verbs_ud_address(came.peer.gid, 0, &there);
	learn_way(post, wc, at, &came.peer);
	dgram_guests_take(guests, &came);
}

static void completed(struct verbs_ud_post *post, struct dgram_guests *guests,
		      struct ibv_wc *wc)
{
	unsigned at;

	if (!verbs_ud_took(&post->ud, wc, &at))
		return;
	take(post, guests, wc, at);
	verbs_ud_repost(&post->ud, at);
}

int verbs_ud_post_poll(struct verbs_ud_post *post, struct dgram_guests *guests,
		       int max)
{
	struct ibv_wc wcs[POLL_STEP];
	int nr, total = 0;

	do {
		nr = ibv_poll_cq(post->hub->cq, POLL_STEP, wcs);
		for (int i = 0; i < nr; i++)
			completed(post, guests, &wcs[i]);
		total += nr > 0 ? nr : 0;
	} while (nr == POLL_STEP && total < max);
	return total;
}

/* ---- life ---- */

bool verbs_ud_post_is_of(const struct verbs_ud_post *post,
			 const struct rdma_cm_id *id)
{
	return !post->hub->is_dead && !post->ud.is_broken &&
	       post->hub->device.context == id->verbs &&
	       post->port_num == id->port_num &&
	       post->service ==
		       be16toh(rdma_get_src_port((struct rdma_cm_id *)id));
}

static int open_pair(struct verbs_ud_post *post)
{
	struct verbs_ud_place place = {
		.cq = post->hub->cq,
		.port_num = post->port_num,
		.nr_recvs = NR_RECVS,
		.nr_sends = NR_SENDS,
	};
	int error = verbs_domain_new(post->hub, &post->domain);

	if (error)
		return error;
	place.pd = post->domain->pd;
	return verbs_ud_open(&post->ud, &place);
}

int verbs_ud_post_open(struct loop *loop, const struct rdma_cm_id *id,
		       struct verbs_ud_post **ret)
{
	struct verbs_ud_post *post = calloc(1, sizeof(*post));
	int error;

	if (!post)
		return -ENOMEM;
	post->port_num = id->port_num;
	post->service = be16toh(rdma_get_src_port((struct rdma_cm_id *)id));
	error = verbs_hub_open(loop, id->verbs, HUB_CLIENTS, &post->hub);
	if (!error && post->hub->clients_max < HUB_CLIENTS)
		error = -EOPNOTSUPP; /* its queues are too short */
	if (!error)
		error = open_pair(post);
	if (error) {
		verbs_ud_post_close(post);
		return error;
	}
	post->hub->now_ns = io_monotonic_ns();
	post->out = (struct dgram_out){post->ud.max_bytes, begin, send_it};
	*ret = post;
	return 0;
}

void verbs_ud_post_close(struct verbs_ud_post *post)
{
	if (!post)
		return;
	verbs_ud_close(&post->ud);
	for (unsigned i = 0; i < VERBS_UD_WAYS; i++)
		if (post->ways[i].ah)
			(void)ibv_destroy_ah(post->ways[i].ah);
	if (post->domain)
		verbs_domain_put(post->domain);
	if (post->hub) {
		verbs_hub_unwatch(post->hub);
		verbs_hub_put(post->hub);
	}
	free(post);
}
