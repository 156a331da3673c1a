/* SPDX-License-Identifier: MIT */
/*
 * verbs_post.c - choose the way, find the memory, chain, post
 */
#include "rdmafetch/verbs_post.h"

#include <string.h>

#include "common/source.h"

#define CHAIN_MAX    64u
#define SIGNAL_EVERY 8u /* reads that end with one completion */
#define NONE	     UINT32_MAX

struct chain {
	unsigned nr, nr_untold; /* requests; reads that no completion ends */
	unsigned last;		/* the last request that ends a read */
	struct ibv_send_wr wrs[CHAIN_MAX];
	struct ibv_sge sges[CHAIN_MAX];
};

/* ---- the chain ---- */

static void signal_at(struct verbs_core *core, struct chain *chain, unsigned at)
{
	struct ibv_send_wr *wr = &chain->wrs[at];

	wr->send_flags |= IBV_SEND_SIGNALED;
	verbs_ring_signalled(&core->ring, wr->wr_id);
	if (chain->last <= at || chain->last == NONE) {
		chain->last = NONE;
		chain->nr_untold = 0;
	}
}

static void post_chain(struct verbs_core *core, struct chain *chain)
{
	struct ibv_send_wr *bad;

	if (!chain->nr)
		return;
	if (chain->last != NONE)
		signal_at(core, chain, chain->last);
	chain->wrs[chain->nr - 1].next = NULL;
	if (ibv_post_send(core->link->id->qp, chain->wrs, &bad)) {
		core->is_broken = true;
		verbs_link_break(core->link);
	}
	chain->nr = 0;
}

static struct ibv_send_wr *add(struct verbs_core *core, struct chain *chain,
			       const struct verbs_entry *entry,
			       struct ibv_sge sge)
{
	unsigned at = chain->nr++;
	struct ibv_send_wr *wr = &chain->wrs[at];

	chain->sges[at] = sge;
	*wr = (struct ibv_send_wr){
		.wr_id = verbs_ring_push(&core->ring, entry),
		.next = &chain->wrs[at + 1],
		.sg_list = &chain->sges[at],
		.num_sge = 1,
	};
	if (entry->kind == VERBS_LAST || entry->kind == VERBS_FAR) {
		chain->last = at;
		chain->nr_untold++;
	}
	if (chain->nr_untold >= SIGNAL_EVERY || entry->kind == VERBS_FAR ||
	    verbs_ring_must_signal(&core->ring, wr->wr_id))
		signal_at(core, chain, at);
	return wr;
}

/* ---- messages ---- */

static void add_message(struct verbs_core *core, struct chain *chain,
			struct wire_header header, const uint8_t *body)
{
	const struct verbs_entry entry = {.kind = VERBS_SEND};
	char *out = verbs_link_small_buf(core->link, core->ring.next);
	struct ibv_sge sge = {
		.addr = (uintptr_t)out,
		.length = WIRE_HEADER_BYTES + header.body_bytes,
		.lkey = core->link->mr->lkey,
	};
	struct ibv_send_wr *wr;

	wire_put_header((uint8_t *)out, &header);
	memcpy(out + WIRE_HEADER_BYTES, body, header.body_bytes);
	wr = add(core, chain, &entry, sge);
	wr->opcode = IBV_WR_SEND;
	if (core->link->has_inline)
		wr->send_flags |= IBV_SEND_INLINE;
}

static void add_taken(struct verbs_core *core, struct chain *chain)
{
	struct wire_header header = {.type = WIRE_TAKEN};
	uint8_t body[WIRE_REQUEST_MAX];

	header.id = core->taken[--core->nr_taken];
	header.body_bytes = (uint32_t)wire_put_taken(body, header.id);
	add_message(core, chain, header, body);
}

/* Ask for the read by message.  False: too many answers may come already. */
static bool add_ask(struct verbs_core *core, struct chain *chain,
		    struct verbs_slot *slot)
{
	const struct wire_read read = {
		.handle = core->handle,
		.object = slot->read.object,
		.raddr = slot->read.raddr,
		.len_bytes = slot->read.len_bytes,
	};
	struct wire_header header = {
		.type = WIRE_READ,
		.flags = slot->read.urgent ? WIRE_URGENT : 0,
		.id = verbs_slots_id(&core->slots, slot),
	};
	uint8_t body[WIRE_REQUEST_MAX];

	if (core->nr_asked >= VERBS_RECVS)
		return false;
	core->nr_asked++;
	slot->is_asked = true;
	header.body_bytes = (uint32_t)wire_put_read(body, &read);
	add_message(core, chain, header, body);
	return true;
}

/* ---- READs ---- */

/* Where the device shall write.  False: no room in the pool now. */
static bool find_target(struct verbs_core *core, struct verbs_slot *slot)
{
	const struct transport_read *read = &slot->read;

	if (verbs_buffers_find(&core->buffers, read->buf, read->len_bytes,
			       &slot->lkey)) {
		slot->target = read->buf;
		return true;
	}
	slot->target = verbs_buffers_borrow(&core->buffers, read->len_bytes);
	if (!slot->target)
		return false;
	slot->is_bounced = true;
	slot->lkey = core->buffers.pool->lkey;
	return true;
}

static void add_read(struct verbs_core *core, struct chain *chain,
		     const struct verbs_slot *slot, enum verbs_kind kind,
		     const struct verbs_piece *piece)
{
	size_t offset = kind == VERBS_FAR ? 0 : piece->raddr - slot->read.raddr;
	const struct verbs_entry entry = {
		.kind = kind,
		.slot = (uint16_t)(slot - core->slots.at),
		.len_bytes = piece->len_bytes,
		.raddr = piece->raddr,
	};
	struct ibv_sge sge = {
		.addr = (uintptr_t)(slot->target + offset),
		.length = piece->len_bytes,
		.lkey = slot->lkey,
	};
	struct ibv_send_wr *wr = add(core, chain, &entry, sge);

	wr->opcode = IBV_WR_RDMA_READ;
	wr->wr.rdma.remote_addr = piece->raddr;
	wr->wr.rdma.rkey = piece->rkey;
}

static bool add_fetch(struct verbs_core *core, struct chain *chain,
		      struct verbs_slot *slot)
{
	const struct verbs_piece piece = {slot->far.raddr, slot->far.len_bytes,
					  slot->far.rkey};

	if (!find_target(core, slot))
		return false;
	add_read(core, chain, slot, VERBS_FAR, &piece);
	return true;
}

/* How many pieces make up @read one-sided; 0: by message. */
static unsigned cut(const struct verbs_core *core,
		    const struct transport_read *read,
		    struct verbs_piece *pieces)
{
	if (read->object != SOURCE_MEMORY ||
	    verbs_refused_has(core->refused, read->raddr, read->len_bytes))
		return 0;
	return verbs_regions_cut(&core->regions, read->raddr, read->len_bytes,
				 pieces);
}

/* False: something that it needs is not there now. */
static bool add_slot(struct verbs_core *core, struct chain *chain,
		     struct verbs_slot *slot)
{
	struct verbs_piece pieces[VERBS_PIECES_MAX];
	unsigned nr;

	if (slot->is_far)
		return add_fetch(core, chain, slot);
	nr = cut(core, &slot->read, pieces);
	if (!nr)
		return add_ask(core, chain, slot);
	if (!find_target(core, slot))
		return false;
	for (unsigned i = 0; i < nr; i++)
		add_read(core, chain, slot,
			 i + 1 < nr ? VERBS_PIECE : VERBS_LAST, &pieces[i]);
	return true;
}

/* ---- all that can go ---- */

static bool add_next(struct verbs_core *core, struct chain *chain)
{
	struct verbs_slot *slot;

	if (verbs_ring_room(&core->ring) < VERBS_PIECES_MAX)
		return false;
	if (core->nr_taken) {
		add_taken(core, chain);
		return true;
	}
	slot = verbs_slots_next(&core->slots);
	if (!slot || !add_slot(core, chain, slot))
		return false;
	verbs_slots_posted(&core->slots, slot);
	return true;
}

void verbs_post_queued(struct verbs_core *core)
{
	struct chain chain;

	chain.nr = chain.nr_untold = 0;
	chain.last = NONE;
	while (!core->is_broken && add_next(core, &chain))
		if (chain.nr + VERBS_PIECES_MAX > CHAIN_MAX)
			post_chain(core, &chain);
	if (!core->is_broken)
		post_chain(core, &chain);
}
