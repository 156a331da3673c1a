/* SPDX-License-Identifier: MIT */
/* rc_pair.c - see rc_pair.h */
#include "tests/vm/rc_pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIDS_MAX  16
#define TRIES_MAX 100

/* The address of RoCE v2 over IPv4. */
static int find_gid(struct rc_end *end)
{
	struct ibv_gid_entry entries[GIDS_MAX];
	ssize_t nr = ibv_query_gid_table(end->context, entries, GIDS_MAX, 0);
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	for (ssize_t i = 0; i < nr; i++)
		if (entries[i].gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !memcmp(entries[i].gid.raw, mapped, sizeof(mapped))) {
			end->gid = entries[i].gid;
			end->gid_index = (uint8_t)entries[i].gid_index;
			return 0;
		}
	return -EADDRNOTAVAIL;
}

static int open_end(struct ibv_context *context, struct rc_end *end)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 16,
			.max_recv_wr = 1,
			.max_send_sge = 1,
			.max_recv_sge = 1},
	};

	end->context = context;
	end->pd = ibv_alloc_pd(context);
	end->cq = ibv_create_cq(context, 32, NULL, NULL, 0);
	if (!end->pd || !end->cq)
		return -ENOMEM;
	attr.send_cq = attr.recv_cq = end->cq;
	end->qp = ibv_create_qp(end->pd, &attr);
	return end->qp ? find_gid(end) : -errno;
}

int rc_pair_open(struct ibv_context *server, struct ibv_context *client,
		 struct rc_pair *pair)
{
	int error;

	*pair = (struct rc_pair){0};
	error = open_end(server, &pair->server);
	error = error ? error : open_end(client, &pair->client);
	if (error)
		return error;
	pair->buf = malloc(RC_READ_MAX);
	if (!pair->buf)
		return -ENOMEM;
	pair->mr = ibv_reg_mr(pair->client.pd, pair->buf, RC_READ_MAX,
			      IBV_ACCESS_LOCAL_WRITE);
	return pair->mr ? rc_pair_connect(pair) : -errno;
}

static int reset(struct rc_end *end)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RESET};
	struct ibv_wc wc;
	int error = ibv_modify_qp(end->qp, &attr, IBV_QP_STATE);

	while (ibv_poll_cq(end->cq, 1, &wc) > 0)
		;
	if (error)
		return -error;
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ,
	};
	return -ibv_modify_qp(end->qp, &attr,
			      IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				      IBV_QP_ACCESS_FLAGS);
}

static int to_receive(struct rc_end *end, const struct rc_end *peer)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_4096,
		.dest_qp_num = peer->qp->qp_num,
		.max_dest_rd_atomic = 8,
		.min_rnr_timer = 12,
		.ah_attr = {.is_global = 1,
			    .port_num = 1,
			    .grh = {.dgid = peer->gid,
				    .sgid_index = end->gid_index,
				    .hop_limit = 8}},
	};

	return -ibv_modify_qp(end->qp, &attr,
			      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				      IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				      IBV_QP_MAX_DEST_RD_ATOMIC |
				      IBV_QP_MIN_RNR_TIMER);
}

static int to_send(struct rc_end *end)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS,
		.timeout = 16,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 8,
	};

	return -ibv_modify_qp(end->qp, &attr,
			      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
				      IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
				      IBV_QP_MAX_QP_RD_ATOMIC);
}

static int connect_once(struct rc_pair *pair)
{
	int error = reset(&pair->server);

	error = error ? error : reset(&pair->client);
	error = error ? error : to_receive(&pair->server, &pair->client);
	error = error ? error : to_receive(&pair->client, &pair->server);
	error = error ? error : to_send(&pair->server);
	return error ? error : to_send(&pair->client);
}

/* What is left of the broken connection may break the new one. */
int rc_pair_connect(struct rc_pair *pair)
{
	int error = connect_once(pair);

	for (int i = 1; error && i < TRIES_MAX; i++) {
		(void)usleep(1000);
		error = connect_once(pair);
	}
	return error;
}

int rc_pair_read(struct rc_pair *pair, uint64_t raddr, uint32_t rkey,
		 uint32_t len_bytes)
{
	struct ibv_sge sge = {.addr = (uintptr_t)pair->buf,
			      .length = len_bytes,
			      .lkey = pair->mr->lkey};
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = {.remote_addr = raddr, .rkey = rkey},
	};
	struct ibv_send_wr *bad;
	struct ibv_wc wc;
	int nr, error = ibv_post_send(pair->client.qp, &wr, &bad);

	if (error)
		return -error;
	do
		nr = ibv_poll_cq(pair->client.cq, 1, &wc);
	while (nr == 0);
	return nr < 0 ? -EIO : (int)wc.status;
}

static void close_end(struct rc_end *end)
{
	if (end->qp)
		(void)ibv_destroy_qp(end->qp);
	if (end->cq)
		(void)ibv_destroy_cq(end->cq);
	if (end->pd)
		(void)ibv_dealloc_pd(end->pd);
}

void rc_pair_close(struct rc_pair *pair)
{
	if (pair->mr)
		(void)ibv_dereg_mr(pair->mr);
	close_end(&pair->client);
	close_end(&pair->server);
	free(pair->buf);
	*pair = (struct rc_pair){0};
}
