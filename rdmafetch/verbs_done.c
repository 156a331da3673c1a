/* SPDX-License-Identifier: MIT */
/*
 * verbs_done.c - completions
 */
#include "rdmafetch/verbs_done.h"

#include <errno.h>
#include <string.h>

#include "rdmafetch/verbs_pack.h"

/* ---- READs ---- */

/* A work request went well. */
static void end_entry(struct verbs_core *core, const struct verbs_entry *entry)
{
	struct verbs_slot *slot = &core->slots.at[entry->slot];

	if (entry->kind == VERBS_FAR)
		core->taken[core->nr_taken++] =
			verbs_slots_id(&core->slots, slot);
	if (entry->kind == VERBS_FAR || entry->kind == VERBS_LAST)
		verbs_slots_land(&core->slots, slot, 0);
}

/*
 * The far end's device would not: the key was revoked, or there is a page that
 * it cannot bring in.
 */
static bool is_refusal(enum ibv_wc_status status)
{
	return status == IBV_WC_REM_ACCESS_ERR || status == IBV_WC_REM_OP_ERR ||
	       status == IBV_WC_REM_INV_REQ_ERR;
}

/* The request numbered wc->wr_id failed; those before it did not. */
static void take_failure(struct verbs_core *core, const struct ibv_wc *wc)
{
	struct verbs_entry entry;

	while (verbs_ring_pop(&core->ring, wc->wr_id, &entry)) {
		if (core->ring.oldest <= wc->wr_id) {
			end_entry(core, &entry);
			continue;
		}
		if (is_refusal(wc->status) &&
		    (entry.kind == VERBS_PIECE || entry.kind == VERBS_LAST))
			verbs_refused_add(core->refused, entry.raddr,
					  entry.len_bytes);
	}
	core->is_broken = true;
}

static void take_send(struct verbs_core *core, const struct ibv_wc *wc)
{
	struct verbs_entry entry;

	while (verbs_ring_pop(&core->ring, wc->wr_id, &entry))
		end_entry(core, &entry);
}

/* ---- messages ---- */

/* What a far end's status means to the contract. */
static int result_of(int32_t status)
{
	return status == -EIO ? -EREMOTEIO : status;
}

/* The answer lies far.  False: that breaks the protocol. */
static bool take_far(struct verbs_core *core, struct verbs_slot *slot,
		     const uint8_t *body, uint32_t body_bytes)
{
	struct wire_far far;

	if (wire_get_far(body, body_bytes, &far) ||
	    far.len_bytes != slot->read.len_bytes)
		return false;
	verbs_slots_fetch(&core->slots, slot, &far);
	return true;
}

/* The next answer of @pack.  False: it breaks the protocol. */
static bool take_answer(struct verbs_core *core, struct vpack *pack)
{
	struct wire_header header;
	struct verbs_slot *slot;
	const uint8_t *in;

	if (vpack_next(pack, &header, &in) || header.type != WIRE_READ ||
	    !(header.flags & WIRE_REPLY))
		return false;
	slot = verbs_slots_of_id(&core->slots, header.id);
	if (!slot)
		return false;
	core->nr_asked--;
	if (header.status) {
		if (header.body_bytes > WIRE_WHY_MAX)
			return false;
		verbs_slots_land(&core->slots, slot, result_of(header.status));
		return true;
	}
	if (header.flags & WIRE_FAR)
		return take_far(core, slot, in, header.body_bytes);
	if (header.body_bytes != slot->read.len_bytes)
		return false;
	memcpy(slot->read.buf, in, header.body_bytes);
	verbs_slots_land(&core->slots, slot, 0);
	return true;
}

static void take_recv(struct verbs_core *core, const struct ibv_wc *wc)
{
	unsigned at = (unsigned)(wc->wr_id & ~VERBS_RECV_BIT);
	struct vpack pack = {
		(const uint8_t *)verbs_link_recv_buf(core->link, at),
		wc->byte_len};
	bool good;

	do {
		good = take_answer(core, &pack);
	} while (good && pack.left_bytes);
	if (!good || verbs_link_post_recv(core->link, at))
		core->is_broken = true;
}

void verbs_done_take(struct verbs_core *core, const struct ibv_wc *wc)
{
	if (core->is_broken)
		return;
	if (wc->status == IBV_WC_SUCCESS && wc->wr_id & VERBS_RECV_BIT)
		take_recv(core, wc);
	else if (wc->status == IBV_WC_SUCCESS)
		take_send(core, wc);
	else if (wc->wr_id & VERBS_RECV_BIT)
		core->is_broken = true;
	else
		take_failure(core, wc);
}
