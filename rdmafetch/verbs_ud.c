/* SPDX-License-Identifier: MIT */
/* verbs_ud.c - see verbs_ud.h */
#include "rdmafetch/verbs_ud.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <rdma/rdma_cma.h>
#include <stdlib.h>
#include <string.h>

#define RECV_BIT     (1ull << 63) /* in the wr_id of a receive */
#define GRH_BYTES    40u
#define SIGNAL_EVERY 16u
/*
 * An IPv4 header is at the end of the head, a GRH (which is an IPv6 one) is all
 * of it: InfiniBand Architecture, annex A17 (RoCE v2), 4.5.3.  What stands
 * before an IPv4 header nobody has said.
 */
#define IPV4_OFFSET (GRH_BYTES - sizeof(struct iphdr))
#define IPV4_WORDS  (sizeof(struct iphdr) / 4)

_Static_assert(sizeof(struct ibv_grh) == GRH_BYTES, "the head of a datagram");

static int error_of_call(void)
{
	return errno ? -errno : -EIO;
}

static uint8_t *recv_at(const struct verbs_ud *ud, unsigned at)
{
	return ud->memory + (size_t)at * (GRH_BYTES + DGRAM_MAX_BYTES);
}

static uint8_t *send_at(const struct verbs_ud *ud, unsigned at)
{
	return recv_at(ud, ud->nr_recvs) + (size_t)at * DGRAM_MAX_BYTES;
}

const struct ibv_grh *verbs_ud_head(const struct verbs_ud *ud, unsigned at)
{
	return (const void *)recv_at(ud, at);
}

const uint8_t *verbs_ud_bytes(const struct verbs_ud *ud, unsigned at)
{
	return recv_at(ud, at) + GRH_BYTES;
}

/* ---- receive ---- */

void verbs_ud_repost(struct verbs_ud *ud, unsigned at)
{
	struct ibv_recv_wr *wr = &ud->recvs[at];

	memset(recv_at(ud, at), 0, GRH_BYTES);
	wr->next = NULL;
	*ud->to_post_end = wr;
	ud->to_post_end = &wr->next;
}

static void post_receives(struct verbs_ud *ud)
{
	struct ibv_recv_wr *bad;

	if (!ud->to_post)
		return;
	ud->is_broken |= ibv_post_recv(ud->qp, ud->to_post, &bad) != 0;
	ud->to_post = NULL;
	ud->to_post_end = &ud->to_post;
}

static void prepare_receives(struct verbs_ud *ud)
{
	for (unsigned i = 0; i < ud->nr_recvs; i++) {
		ud->sges[i] = (struct ibv_sge){
			.addr = (uintptr_t)recv_at(ud, i),
			.length = GRH_BYTES + DGRAM_MAX_BYTES,
			.lkey = ud->mr->lkey,
		};
		ud->recvs[i] = (struct ibv_recv_wr){
			.wr_id = RECV_BIT | i,
			.sg_list = &ud->sges[i],
			.num_sge = 1,
		};
		verbs_ud_repost(ud, i);
	}
}

/* ---- send ---- */

uint8_t *verbs_ud_begin(struct verbs_ud *ud)
{
	if (ud->seq - ud->done >= ud->nr_sends || ud->is_broken)
		return NULL;
	return send_at(ud, (unsigned)(ud->seq % ud->nr_sends));
}

uint64_t verbs_ud_send(struct verbs_ud *ud, struct ibv_ah *ah, uint32_t qpn,
		       uint32_t len_bytes)
{
	unsigned at = (unsigned)(ud->seq % ud->nr_sends);
	struct ibv_sge *sge = &ud->sges[ud->nr_recvs + at];
	struct ibv_send_wr *wr = &ud->sends[at];

	*sge = (struct ibv_sge){
		.addr = (uintptr_t)send_at(ud, at),
		.length = len_bytes,
		.lkey = ud->mr->lkey,
	};
	*wr = (struct ibv_send_wr){
		.wr_id = ud->seq,
		.sg_list = sge,
		.num_sge = 1,
		.opcode = IBV_WR_SEND,
		.send_flags = ud->seq % SIGNAL_EVERY ? 0 : IBV_SEND_SIGNALED,
		.wr.ud = {ah, qpn, RDMA_UDP_QKEY},
	};
	*ud->chain_end = wr;
	ud->chain_end = &wr->next;
	return ud->seq++;
}

void verbs_ud_flush(struct verbs_ud *ud)
{
	struct ibv_send_wr *bad;

	post_receives(ud);
	if (!ud->chain)
		return;
	ud->is_broken |= ibv_post_send(ud->qp, ud->chain, &bad) != 0;
	ud->chain = NULL;
	ud->chain_end = &ud->chain;
}

/* ---- completions ---- */

bool verbs_ud_took(struct verbs_ud *ud, const struct ibv_wc *wc,
		   unsigned *ret_at)
{
	ud->is_broken |= wc->status != IBV_WC_SUCCESS;
	if (!(wc->wr_id & RECV_BIT)) {
		ud->done = wc->wr_id + 1;
		return false;
	}
	*ret_at = (unsigned)(wc->wr_id & ~RECV_BIT);
	return wc->status == IBV_WC_SUCCESS;
}

/* ---- life ---- */

/* A datagram is one packet. */
static int find_mtu(struct verbs_ud *ud, const struct verbs_ud_place *place)
{
	struct ibv_port_attr attr;

	if (ibv_query_port(place->pd->context, place->port_num, &attr))
		return -ENODEV;
	ud->max_bytes = 128u << attr.active_mtu; /* IBV_MTU_256 is 1 */
	if (ud->max_bytes > DGRAM_MAX_BYTES)
		ud->max_bytes = DGRAM_MAX_BYTES;
	return ud->max_bytes < DGRAM_MIN_BYTES ? -EOPNOTSUPP : 0;
}

static int make_memory(struct verbs_ud *ud, struct ibv_pd *pd)
{
	size_t nr = (size_t)ud->nr_recvs + ud->nr_sends;
	size_t bytes = ud->nr_recvs * (size_t)(GRH_BYTES + DGRAM_MAX_BYTES) +
		       ud->nr_sends * (size_t)DGRAM_MAX_BYTES;

	ud->memory = calloc(1, bytes);
	ud->recvs = calloc(ud->nr_recvs, sizeof(*ud->recvs));
	ud->sends = calloc(ud->nr_sends, sizeof(*ud->sends));
	ud->sges = calloc(nr, sizeof(*ud->sges));
	if (!ud->memory || !ud->recvs || !ud->sends || !ud->sges)
		return -ENOMEM;
	errno = 0;
	ud->mr = ibv_reg_mr(pd, ud->memory, bytes, IBV_ACCESS_LOCAL_WRITE);
	return ud->mr ? 0 : error_of_call();
}

static int make_pair(struct verbs_ud *ud, const struct verbs_ud_place *place)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = place->cq,
		.recv_cq = place->cq,
		.cap = {.max_send_wr = ud->nr_sends,
			.max_recv_wr = ud->nr_recvs,
			.max_send_sge = 1,
			.max_recv_sge = 1},
		.qp_type = IBV_QPT_UD,
	};

	errno = 0;
	ud->qp = ibv_create_qp(place->pd, &attr);
	return ud->qp ? 0 : error_of_call();
}

static int make_ready(const struct verbs_ud *ud, uint8_t port_num)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = port_num,
		.qkey = RDMA_UDP_QKEY,
	};
	int error = ibv_modify_qp(ud->qp, &attr,
				  IBV_QP_STATE | IBV_QP_PKEY_INDEX |
					  IBV_QP_PORT | IBV_QP_QKEY);

	attr.qp_state = IBV_QPS_RTR;
	if (!error)
		error = ibv_modify_qp(ud->qp, &attr, IBV_QP_STATE);
	attr.qp_state = IBV_QPS_RTS;
	if (!error)
		error = ibv_modify_qp(ud->qp, &attr,
				      IBV_QP_STATE | IBV_QP_SQ_PSN);
	return -error;
}

int verbs_ud_open(struct verbs_ud *ud, const struct verbs_ud_place *place)
{
	int error;

	*ud = (struct verbs_ud){.nr_recvs = place->nr_recvs,
				.nr_sends = place->nr_sends};
	ud->chain_end = &ud->chain;
	ud->to_post_end = &ud->to_post;
	error = find_mtu(ud, place);
	if (!error)
		error = make_memory(ud, place->pd);
	if (!error)
		error = make_pair(ud, place);
	if (!error)
		error = make_ready(ud, place->port_num);
	if (error)
		return error;
	prepare_receives(ud);
	verbs_ud_flush(ud);
	return ud->is_broken ? -EIO : 0;
}

void verbs_ud_close(struct verbs_ud *ud)
{
	if (ud->qp)
		(void)ibv_destroy_qp(ud->qp);
	if (ud->mr)
		(void)ibv_dereg_mr(ud->mr);
	free(ud->memory);
	free(ud->recvs);
	free(ud->sends);
	free(ud->sges);
	memset(ud, 0, sizeof(*ud));
}

/* ---- addresses ---- */

static void map_ipv4(uint8_t gid[16], uint32_t address)
{
	memset(gid, 0, 10);
	memset(gid + 10, 0xff, 2);
	memcpy(gid + 12, &address, sizeof(address));
}

/* RFC 1071: the sum of all 16-bit words, the checksum included, is all ones. */
static bool is_ipv4(const struct iphdr *ip)
{
	uint16_t words[2 * IPV4_WORDS];
	uint32_t sum = 0;

	memcpy(words, ip, sizeof(words));
	for (size_t i = 0; i < 2 * IPV4_WORDS; i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ip->version == 4 && ip->ihl == IPV4_WORDS && sum == 0xffff;
}

/* As libibverbs does (ibv_init_ah_from_wc()): what looks like a GRH may be left
 * of another datagram, before an IPv4 header. */
void verbs_ud_ways(const struct verbs_ud *ud, unsigned at, uint8_t ret_from[16],
		   uint8_t ret_to[16])
{
	const struct ibv_grh *grh = verbs_ud_head(ud, at);
	struct iphdr ip;

	memcpy(&ip, (const char *)grh + IPV4_OFFSET, sizeof(ip));
	if (be32toh(grh->version_tclass_flow) >> 28 == 6 && !is_ipv4(&ip)) {
		memcpy(ret_from, grh->sgid.raw, 16);
		memcpy(ret_to, grh->dgid.raw, 16);
		return;
	}
	map_ipv4(ret_from, ip.saddr);
	map_ipv4(ret_to, ip.daddr);
}

void verbs_ud_address(const uint8_t gid[16], uint16_t port,
		      struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;
	struct in6_addr in6;

	memset(ret, 0, sizeof(*ret));
	memcpy(&in6, gid, sizeof(in6));
	if (IN6_IS_ADDR_V4MAPPED(&in6)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htobe16(port);
		memcpy(&v4->sin_addr, gid + 12, sizeof(v4->sin_addr));
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htobe16(port);
		v6->sin6_addr = in6;
	}
}
