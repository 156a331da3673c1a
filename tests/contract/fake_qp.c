/* SPDX-License-Identifier: MIT */
/*
 * fake_qp.c - write down, play back
 */
#include "tests/contract/fake_qp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/page.h"

#define MEMORY_BYTES (1u << 20) /* more than a link has */
#define POOL_BYTES   (VERBS_BOUNCE_PAGES * PAGE_BYTES)
#define SENDS	     128u

static struct fake_qp *fake_of(struct ibv_qp *qp)
{
	return qp->qp_context;
}

static void write_down(struct fake_qp *fake, const struct ibv_send_wr *wr)
{
	struct fake_wr *out = &fake->wrs[fake->nr % FAKE_QP_MAX];

	*out = (struct fake_wr){
		.wr_id = wr->wr_id,
		.opcode = wr->opcode,
		.is_signalled = wr->send_flags & IBV_SEND_SIGNALED,
		.local = (char *)(uintptr_t)wr->sg_list->addr,
		.lkey = wr->sg_list->lkey,
		.len_bytes = wr->sg_list->length,
	};
	if (wr->opcode == IBV_WR_SEND) {
		memcpy(out->message, out->local, out->len_bytes);
	} else {
		out->raddr = wr->wr.rdma.remote_addr;
		out->rkey = wr->wr.rdma.rkey;
	}
	fake->nr++;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr,
		     struct ibv_send_wr **bad)
{
	fake_of(qp)->nr_calls++;
	for (; wr; wr = wr->next)
		write_down(fake_of(qp), wr);
	return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr,
		     struct ibv_recv_wr **bad)
{
	fake_of(qp)->nr_recvs++;
	return 0;
}

static char *map(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void wire_up(struct fake_qp *fake)
{
	fake->context.ops.post_send = post_send;
	fake->context.ops.post_recv = post_recv;
	fake->qp.context = &fake->context;
	fake->qp.qp_context = fake;
	fake->id.qp = &fake->qp;
	fake->mr.lkey = 1;
	fake->pool.lkey = 2;
	fake->link.id = &fake->id;
	fake->link.mr = &fake->mr;
	fake->link.nr_sends = SENDS;
	fake->link.has_inline = true;
	fake->core.link = &fake->link;
	fake->core.handle = 77;
	fake->core.buffers.pool = &fake->pool;
	verbs_slots_init(&fake->core.slots);
}

struct fake_qp *fake_qp_new(void)
{
	struct fake_qp *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return NULL;
	wire_up(fake);
	fake->link.memory = map(MEMORY_BYTES);
	fake->core.buffers.pool_at = map(POOL_BYTES);
	fake->core.refused = verbs_refused_new();
	if (fake->link.memory && fake->core.buffers.pool_at &&
	    fake->core.refused && !verbs_ring_init(&fake->core.ring, SENDS, 3))
		return fake;
	fake_qp_free(fake);
	return NULL;
}

void fake_qp_free(struct fake_qp *fake)
{
	if (fake->link.memory)
		(void)munmap(fake->link.memory, MEMORY_BYTES);
	if (fake->core.buffers.pool_at)
		(void)munmap(fake->core.buffers.pool_at, POOL_BYTES);
	verbs_refused_free(fake->core.refused);
	verbs_ring_done(&fake->core.ring);
	free(fake);
}

bool fake_qp_take(struct fake_qp *fake, const struct transport_read *read)
{
	if (!verbs_slots_has_room(&fake->core.slots, read))
		return false;
	verbs_slots_take(&fake->core.slots, read);
	return true;
}

void fake_qp_complete(struct fake_qp *fake, uint64_t wr_id,
		      enum ibv_wc_status status)
{
	const struct ibv_wc wc = {.wr_id = wr_id, .status = status};

	verbs_done_take(&fake->core, &wc);
}

void fake_qp_receive(struct fake_qp *fake, unsigned at, const void *message,
		     uint32_t len)
{
	const struct ibv_wc wc = {.wr_id = VERBS_RECV_BIT | at,
				  .byte_len = len};

	memcpy(verbs_link_recv_buf(&fake->link, at), message, len);
	verbs_done_take(&fake->core, &wc);
}

bool fake_qp_reap(struct fake_qp *fake, struct transport_done *ret)
{
	struct verbs_slots *slots = &fake->core.slots;
	struct verbs_slot *slot = TAILQ_FIRST(&slots->landed);

	if (!slot)
		return false;
	ret->token = slot->read.token;
	ret->result = slot->result;
	if (slot->is_bounced)
		verbs_buffers_give_back(&fake->core.buffers, slot->target,
					slot->read.len_bytes);
	verbs_slots_free(slots, slot);
	return true;
}
