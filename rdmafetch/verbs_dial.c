/* SPDX-License-Identifier: MIT */
/*
 * verbs_dial.c - address, route, connect
 */
#include "rdmafetch/verbs_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "common/wire.h"

#define NS_PER_MS    1000000ull
#define STEP_MAX_MS  60000u
#define ADDR_TRY_MS  200u
#define RETRIES	     7 /* the most there are */
#define RNR_FOR_EVER 7 /* the peer's receives come back: it answers or dies */

static unsigned ms_left(uint64_t deadline_ns)
{
	uint64_t now = io_monotonic_ns(), ms;

	if (now >= deadline_ns)
		return 0;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > STEP_MAX_MS ? STEP_MAX_MS : (unsigned)ms;
}

/* ---- events ---- */

/* What an event that was not hoped for means. */
static int error_of(const struct rdma_cm_event *event)
{
	switch (event->event) {
	case RDMA_CM_EVENT_REJECTED:
		return -ECONNREFUSED;
	case RDMA_CM_EVENT_UNREACHABLE:
		/* Of datagrams: the far end's status says that it will not. */
		return event->status > 0 ? -ECONNREFUSED : -ETIMEDOUT;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return -ENODEV;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_CONNECT_ERROR:
		return event->status < 0 ? event->status : -EHOSTUNREACH;
	default:
		return -ECONNRESET;
	}
}

/* Wait for the event that ends a step well; *@ret (NULL: no matter) is what it
 * says about datagrams. */
static int await_ud(struct rdma_event_channel *events,
		    enum rdma_cm_event_type wanted, uint64_t deadline_ns,
		    struct rdma_ud_param *ret)
{
	struct pollfd poller = {events->fd, POLLIN, 0};
	struct rdma_cm_event *event;
	int err;

	while (rdma_get_cm_event(events, &event)) {
		unsigned ms = ms_left(deadline_ns);

		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!ms)
			return -ETIMEDOUT;
		if (poll(&poller, 1, (int)ms) < 0 && errno != EINTR)
			return -errno;
	}
	err = event->event == wanted ? 0 : error_of(event);
	if (!err && ret)
		*ret = event->param.ud;
	(void)rdma_ack_cm_event(event);
	return err;
}

static int await(struct rdma_event_channel *events,
		 enum rdma_cm_event_type wanted, uint64_t deadline_ns)
{
	return await_ud(events, wanted, deadline_ns, NULL);
}

bool verbs_dial_is_over(struct rdma_event_channel *events)
{
	struct rdma_cm_event *event;
	bool over;

	if (rdma_get_cm_event(events, &event))
		return errno != EAGAIN && errno != EINTR;
	/* Others say something about addresses, which a connection outlives. */
	over = event->event == RDMA_CM_EVENT_DISCONNECTED ||
	       event->event == RDMA_CM_EVENT_DEVICE_REMOVAL ||
	       event->event == RDMA_CM_EVENT_TIMEWAIT_EXIT;
	(void)rdma_ack_cm_event(event);
	return over;
}

/* ---- the route ---- */

struct dial {
	struct rdma_event_channel *events;
	const struct verbs_address *address;
	enum rdma_port_space space;
	uint64_t deadline_ns;
};

static bool is_wanted(const struct dial *dial, const struct rdma_cm_id *id)
{
	return !dial->address->device[0] ||
	       !strcmp(ibv_get_device_name(id->verbs->device),
		       dial->address->device);
}

/*
 * The kernel asks for the peer's hardware address and looks again when it hears
 * of one, or when the time is over (drivers/infiniband/core/addr.c).  An answer
 * that comes at once, as over veth, it hears of before it waits for it: so the
 * time is short, and there are many.
 */
static int resolve_addr(const struct dial *dial, struct rdma_cm_id *id,
			struct sockaddr *source, struct sockaddr *target)
{
	unsigned ms;
	int err;

	do {
		ms = ms_left(dial->deadline_ns);
		if (ms > ADDR_TRY_MS)
			ms = ADDR_TRY_MS;
		if (rdma_resolve_addr(id, source, target, (int)ms))
			return -errno;
		err = await(dial->events, RDMA_CM_EVENT_ADDR_RESOLVED,
			    dial->deadline_ns);
	} while (err == -ETIMEDOUT && ms_left(dial->deadline_ns));
	return err;
}

/* One attempt from @source (NULL: the route's) to @target. */
static int resolve(const struct dial *dial, struct sockaddr *source,
		   struct sockaddr *target, struct rdma_cm_id **ret)
{
	struct rdma_cm_id *id;
	int err;

	if (rdma_create_id(dial->events, &id, NULL, dial->space))
		return -errno;
	err = resolve_addr(dial, id, source, target);
	if (!err && !is_wanted(dial, id))
		err = -ENODEV;
	if (!err && rdma_resolve_route(id, (int)ms_left(dial->deadline_ns)))
		err = -errno;
	if (!err)
		err = await(dial->events, RDMA_CM_EVENT_ROUTE_RESOLVED,
			    dial->deadline_ns);
	if (err)
		(void)rdma_destroy_id(id);
	else
		*ret = id;
	return err;
}

/* A RoCE v2 GID is an IP address; false: not one of @family. */
static bool address_of(const union ibv_gid *gid, sa_family_t family,
		       struct sockaddr_storage *ret)
{
	const struct in6_addr *in6 = (const void *)gid->raw;
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;
	bool is_v4 = IN6_IS_ADDR_V4MAPPED(in6);

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = family;
	if (family == AF_INET && is_v4)
		memcpy(&v4->sin_addr, gid->raw + 12, 4);
	else if (family == AF_INET6)
		v6->sin6_addr = *in6;
	return family == AF_INET ? is_v4
				 : !is_v4 && !IN6_IS_ADDR_LINKLOCAL(in6) &&
					   !IN6_IS_ADDR_UNSPECIFIED(in6);
}

/* Try each address of the port's as the source. */
static int resolve_from_port(const struct dial *dial,
			     struct ibv_context *context, uint8_t port,
			     struct sockaddr *target, struct rdma_cm_id **ret)
{
	struct sockaddr_storage source;
	struct ibv_port_attr attr;
	union ibv_gid gid;

	if (ibv_query_port(context, port, &attr))
		return -ENODEV;
	for (int i = 0; i < attr.gid_tbl_len; i++) {
		if (ibv_query_gid(context, port, i, &gid) ||
		    !address_of(&gid, target->sa_family, &source))
			continue;
		if (!resolve(dial, (struct sockaddr *)&source, target, ret))
			return 0;
	}
	return -ENODEV;
}

/* Go through the device asked for, though the route prefers another one. */
static int resolve_from_device(const struct dial *dial, struct sockaddr *target,
			       struct rdma_cm_id **ret)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	int err = -ENODEV;

	for (int i = 0; devices && devices[i] && err; i++) {
		struct ibv_context *context;
		struct ibv_device_attr attr;

		if (strcmp(ibv_get_device_name(devices[i]),
			   dial->address->device))
			continue;
		context = ibv_open_device(devices[i]);
		if (!context)
			break;
		if (!ibv_query_device(context, &attr))
			for (uint8_t port = 1;
			     port <= attr.phys_port_cnt && err; port++)
				err = resolve_from_port(dial, context, port,
							target, ret);
		(void)ibv_close_device(context);
	}
	if (devices)
		ibv_free_device_list(devices);
	return err;
}

static int lookup(const struct verbs_address *address, struct addrinfo **ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICSERV};
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", (unsigned)address->port);
	switch (getaddrinfo(address->host, port, &hints, ret)) {
	case 0:
		return 0;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	default:
		return -ENOENT;
	}
}

int verbs_dial_route(struct rdma_event_channel *events,
		     const struct verbs_address *address,
		     enum rdma_port_space space, uint64_t deadline_ns,
		     struct rdma_cm_id **ret)
{
	struct dial dial = {events, address, space, deadline_ns};
	struct addrinfo *all = NULL;
	int err = lookup(address, &all);

	for (struct addrinfo *one = all; one; one = one->ai_next) {
		err = resolve(&dial, NULL, one->ai_addr, ret);
		if (err && address->device[0])
			err = resolve_from_device(&dial, one->ai_addr, ret);
		if (!err)
			break;
	}
	if (all)
		freeaddrinfo(all);
	return err;
}

/* ---- the connection ---- */

int verbs_dial_connect(struct rdma_cm_id *id, uint64_t deadline_ns)
{
	struct rdma_conn_param param = {
		.retry_count = RETRIES,
		.rnr_retry_count = RNR_FOR_EVER,
		.responder_resources = 0, /* nobody reads from us */
	};
	struct ibv_device_attr attr;

	if (ibv_query_device(id->verbs, &attr))
		return -ENODEV;
	param.initiator_depth = (uint8_t)(attr.max_qp_init_rd_atom > UINT8_MAX
						  ? UINT8_MAX
						  : attr.max_qp_init_rd_atom);
	if (rdma_connect(id, &param))
		return -errno;
	return await(id->channel, RDMA_CM_EVENT_ESTABLISHED, deadline_ns);
}

int verbs_dial_find(struct rdma_cm_id *id, uint32_t qp_num,
		    uint64_t deadline_ns, struct rdma_ud_param *ret)
{
	struct rdma_conn_param param = {.qp_num = qp_num};

	if (rdma_connect(id, &param))
		return -errno;
	return await_ud(id->channel, RDMA_CM_EVENT_ESTABLISHED, deadline_ns,
			ret);
}

/* ---- devices ---- */

int verbs_address_device(const char *name)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	bool found = false;

	for (int i = 0; devices && devices[i]; i++)
		found |= !name[0] ||
			 !strcmp(ibv_get_device_name(devices[i]), name);
	if (devices)
		ibv_free_device_list(devices);
	return found ? 0 : -ENODEV;
}

static const char *words_of(const struct verbs_address *address, int error)
{
	switch (error) {
	case -ENOENT:
		return "no such host";
	case -ENODEV:
		if (verbs_address_device(""))
			return "there is no RDMA device on this host";
		if (verbs_address_device(address->device))
			return "there is no such RDMA device on this host";
		return address->device[0]
			       ? "no route leads there through that RDMA device"
			       : "no route leads there through an RDMA device";
	case -ECONNREFUSED:
		return "nothing listens there for RDMA: is mitosisd running "
		       "with --rdma?";
	case -ENOMEM:
		return "memory cannot be pinned: raise the limit of locked "
		       "memory (ulimit -l)";
	case -EPROTONOSUPPORT:
		return "the mitosisd there speaks another version of the "
		       "protocol: use one of the same release";
	default:
		return strerror(-error);
	}
}

void verbs_address_explain(const struct verbs_address *address, int error,
			   char *why)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1, "rdma to %.100s%s%s: %s",
		       address->host, address->device[0] ? " through " : "",
		       address->device, words_of(address, error));
}
