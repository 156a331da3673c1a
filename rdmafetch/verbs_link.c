/* SPDX-License-Identifier: MIT */
/*
 * verbs_link.c - build the queues, connect, sleep, take down
 */
#include "rdmafetch/verbs_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"
#include "rdmafetch/verbs_dial.h"

#define NS_PER_MS 1000000ull

/* Each message buffer begins on a cache line. */
#define RECV_STRIDE 4160u

#define SMALL_AT     (VERBS_RECVS * RECV_STRIDE)
#define BIG_AT	     (SMALL_AT + VERBS_SENDS_MAX * VERBS_SMALL_BYTES)
#define STAGING_AT   (BIG_AT + RECV_STRIDE)
#define MEMORY_BYTES (STAGING_AT + VERBS_STAGING_BYTES)

_Static_assert(RECV_STRIDE >= VERBS_MESSAGE_MAX, "a message fits");

/* ---- memory ---- */

char *verbs_link_recv_buf(const struct verbs_link *link, unsigned at)
{
	return link->memory + (size_t)at * RECV_STRIDE;
}

char *verbs_link_small_buf(const struct verbs_link *link, uint64_t seq)
{
	return link->memory + SMALL_AT +
	       seq % link->nr_sends * VERBS_SMALL_BYTES;
}

char *verbs_link_big_buf(const struct verbs_link *link)
{
	return link->memory + BIG_AT;
}

char *verbs_link_staging(const struct verbs_link *link)
{
	return link->memory + STAGING_AT;
}

static int make_memory(struct verbs_link *link)
{
	link->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (link->memory == MAP_FAILED) {
		link->memory = NULL;
		return -ENOMEM;
	}
	link->mr = ibv_reg_mr(link->pd, link->memory, MEMORY_BYTES,
			      IBV_ACCESS_LOCAL_WRITE);
	return link->mr ? 0 : -ENOMEM; /* EAGAIN, EPERM: the limit too */
}

int verbs_link_post_recv(struct verbs_link *link, unsigned at)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)verbs_link_recv_buf(link, at),
		.length = VERBS_MESSAGE_MAX,
		.lkey = link->mr->lkey,
	};
	struct ibv_recv_wr wr = {
		.wr_id = VERBS_RECV_BIT | at, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	return -ibv_post_recv(link->id->qp, &wr, &bad);
}

/* ---- queues ---- */

static int make_qp(struct verbs_link *link)
{
	struct ibv_device_attr attr;
	struct ibv_qp_init_attr want = {
		.send_cq = link->cq,
		.recv_cq = link->cq,
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = VERBS_SENDS_MAX,
			.max_recv_wr = VERBS_RECVS,
			.max_send_sge = 1,
			.max_recv_sge = 1,
			.max_inline_data = VERBS_SMALL_BYTES},
	};

	if (ibv_query_device(link->id->verbs, &attr))
		return -errno;
	if (attr.max_qp_wr > 0 &&
	    (unsigned)attr.max_qp_wr < want.cap.max_send_wr)
		want.cap.max_send_wr = (unsigned)attr.max_qp_wr;
	link->nr_sends = want.cap.max_send_wr;
	link->has_inline = true;
	if (!rdma_create_qp(link->id, link->pd, &want))
		return 0;
	link->has_inline = false;
	want.cap.max_inline_data = 0;
	return rdma_create_qp(link->id, link->pd, &want) ? -errno : 0;
}

static int make_queues(struct verbs_link *link)
{
	struct ibv_context *verbs = link->id->verbs;
	int flags;

	link->pd = ibv_alloc_pd(verbs);
	if (!link->pd)
		return -errno;
	link->channel = ibv_create_comp_channel(verbs);
	if (!link->channel)
		return -errno;
	flags = fcntl(link->channel->fd, F_GETFL);
	if (fcntl(link->channel->fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	link->cq = ibv_create_cq(verbs, VERBS_SENDS_MAX + VERBS_RECVS, NULL,
				 link->channel, 0);
	if (!link->cq)
		return -errno;
	return make_qp(link);
}

/* ---- sleeping ---- */

static int add_poll(struct verbs_link *link, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(link->poll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int make_poll(struct verbs_link *link)
{
	int err;

	link->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (link->poll_fd < 0)
		return -errno;
	err = add_poll(link, link->channel->fd);
	return err ? err : add_poll(link, link->events->fd);
}

static void take_event(struct verbs_link *link)
{
	struct ibv_cq *cq;
	void *context;

	link->has_event = false;
	if (!ibv_get_cq_event(link->channel, &cq, &context))
		ibv_ack_cq_events(cq, 1);
}

/* The event that woke us is taken here and not at once: now the device works on
 * the next request, then the caller waited for its bytes. */
void verbs_link_arm(struct verbs_link *link)
{
	if (link->is_armed)
		return;
	if (link->has_event)
		take_event(link);
	link->is_armed = !ibv_req_notify_cq(link->cq, 0);
}

void verbs_link_wait(struct verbs_link *link, int timeout_ms)
{
	struct epoll_event ready[2];
	int nr = epoll_wait(link->poll_fd, ready, 2, timeout_ms);

	for (int i = 0; i < nr; i++) {
		if (ready[i].data.fd == link->channel->fd) {
			link->has_event = true;
			link->is_armed = false;
		} else if (verbs_dial_is_over(link->events)) {
			link->is_over = true;
		}
	}
}

/* ---- life ---- */

static int make_events(struct verbs_link *link)
{
	int flags;

	link->events = rdma_create_event_channel();
	if (!link->events)
		return -errno;
	flags = fcntl(link->events->fd, F_GETFL);
	return fcntl(link->events->fd, F_SETFL, flags | O_NONBLOCK) ? -errno
								    : 0;
}

static int connect_link(struct verbs_link *link,
			const struct verbs_address *address)
{
	uint64_t deadline_ns =
		io_monotonic_ns() + (uint64_t)address->timeout_ms * NS_PER_MS;
	int err = make_events(link);

	if (!err)
		err = verbs_dial_route(link->events, address, RDMA_PS_TCP,
				       deadline_ns, &link->id);
	if (!err)
		err = make_queues(link);
	if (!err)
		err = make_memory(link);
	if (!err)
		err = make_poll(link);
	for (unsigned i = 0; i < VERBS_RECVS && !err; i++)
		err = verbs_link_post_recv(link, i);
	if (!err)
		err = verbs_dial_connect(link->id, deadline_ns);
	if (!err)
		verbs_link_arm(link);
	return err;
}

int verbs_link_open(const struct verbs_address *address,
		    struct verbs_link **ret)
{
	struct verbs_link *link;
	int err = verbs_address_device(address->device);

	if (err)
		return err; /* librdmacm would print its own line */
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->poll_fd = -1;
	link->completion = address->completion;
	err = connect_link(link, address);
	if (err)
		verbs_link_close(link);
	else
		*ret = link;
	return err;
}

const struct sockaddr *verbs_link_peer(const struct verbs_link *link)
{
	return rdma_get_peer_addr(link->id);
}

const char *verbs_link_device(const struct verbs_link *link)
{
	return ibv_get_device_name(link->id->verbs->device);
}

void verbs_link_break(struct verbs_link *link)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};

	if (link->id->qp)
		(void)ibv_modify_qp(link->id->qp, &attr, IBV_QP_STATE);
}

void verbs_link_cut(struct verbs_link *link)
{
	if (!link->id || !link->id->qp)
		return;
	(void)rdma_disconnect(link->id);
	rdma_destroy_qp(link->id);
	link->id->qp = NULL;
	link->is_over = true;
}

void verbs_link_close(struct verbs_link *link)
{
	if (!link)
		return;
	verbs_link_cut(link);
	if (link->mr)
		(void)ibv_dereg_mr(link->mr);
	if (link->memory)
		(void)munmap(link->memory, MEMORY_BYTES);
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
	if (link->poll_fd >= 0)
		(void)close(link->poll_fd);
	free(link);
}
