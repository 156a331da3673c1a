/* SPDX-License-Identifier: MIT */
/* xfer_source.c - see xfer_source.h */
#include "tools/bench/xfer_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/desc.h"
#include "common/page.h"
#include "common/say.h"
#include "parent/keeper.h"
#include "rdmafetch/local.h"
#include "rdmafetch/tcp.h"
#include "rdmafetch/verbs.h"
#include "tools/bench/host.h"
#include "tools/bench/xfer_link.h"

#define CONNECT_MS	10000
#define STOP_TIMEOUT_MS 1000

struct xfer_source {
	const struct xfer_options *options;
	struct peer parent; /* of our own, with "local" */
	struct keeper *keeper;
	struct transport *transport;
	struct flow_area area;
	struct verbs_refused *refused; /* of rdma */
	char path[64];
};

int xfer_parent(uint32_t mib, struct peer *ret_parent)
{
	char *program CLEANUP_FREE = host_program("mitosis-bench-parent");
	struct peer parent CLEANUP(peer_close) = PEER_NONE;
	char number[12], *argv[] = {program, number, NULL};
	int error;

	if (!program)
		return -ENOENT;
	(void)snprintf(number, sizeof(number), "%u", mib);
	error = peer_spawn(argv, &parent);
	if (!error)
		error = peer_hear(&parent, "ready", NULL, NULL);
	if (error)
		return error;
	*ret_parent = parent;
	parent = PEER_NONE;
	return 0;
}

/* ---- finding the heap ---- */

/* Somewhere in the middle of the image's longest run of pages. */
static uint64_t inside_heap(const struct image *image)
{
	const struct image_run *longest = NULL;

	for (uint32_t i = 0; i < image->nr_runs; i++)
		if (!longest || image->runs[i].nr_pages > longest->nr_pages)
			longest = &image->runs[i];
	if (!longest)
		return 0;
	return (longest->first_page + longest->nr_pages / 2) * PAGE_BYTES;
}

static int read_page(struct transport *transport, uint64_t raddr, void *buf)
{
	const struct transport_read read = {
		.object = SOURCE_MEMORY,
		.len_bytes = PAGE_BYTES,
		.raddr = raddr,
		.buf = buf,
		.urgent = 1,
	};
	struct transport_done done;
	int nr = transport->ops->submit(transport, &read, 1);

	if (nr == 1)
		nr = transport->ops->reap(transport, &done, 1, CONNECT_MS);
	if (nr == 1)
		return done.result;
	return nr < 0 ? nr : -ETIMEDOUT;
}

static int find_heap(struct xfer_source *source, const struct image *image,
		     uint32_t mib)
{
	CLEANUP_FREE uint64_t *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	uint64_t raddr = inside_heap(image);
	int error = page ? read_page(source->transport, raddr, page) : -ENOMEM;

	if (error)
		return error;
	source->area.raddr = flow_heap_start(raddr, *page);
	source->area.len_bytes = (uint64_t)mib << 20;
	if (source->area.raddr + source->area.len_bytes <= raddr)
		return -EILSEQ;
	return 0;
}

/* ---- ways ---- */

static int open_local(struct xfer_source *source)
{
	struct keeper_request request = {
		.uid = getuid(),
		.gid = getgid(),
		.snapshot = {.stop_timeout_ms = STOP_TIMEOUT_MS},
	};
	const struct keeper_result *result;
	struct refusal why = {""};
	int error = xfer_parent(source->options->mib, &source->parent);

	if (error)
		return error;
	request.pid = source->parent.pid;
	error = keeper_start(&request, &source->keeper);
	if (!error)
		error = keeper_finish(source->keeper, &result, &why);
	if (!error)
		error = local_open(result->source, &source->transport);
	if (!error)
		error = find_heap(source, result->image, source->options->mib);
	if (error)
		say_error("imaging a parent: %s",
			  why.why[0] ? why.why : strerror(-error));
	(void)snprintf(source->path, sizeof(source->path),
		       "local, copied by the kernel");
	return error;
}

static int open_tcp(struct xfer_source *source, const struct xfer_offer *offer,
		    struct tcp_opened *ret_opened, char *why)
{
	struct tcp_address address = source->options->server;

	address.port = offer->tcp_port;
	address.timeout_ms = CONNECT_MS;
	(void)snprintf(source->path, sizeof(source->path), "tcp");
	return tcp_open(&address, &offer->image, &source->transport, ret_opened,
			why);
}

static int open_verbs(struct xfer_source *source,
		      const struct xfer_offer *offer,
		      struct tcp_opened *ret_opened, char *why)
{
	const struct xfer_options *options = source->options;
	struct verbs_address address = {
		.port = offer->rdma_port,
		.timeout_ms = CONNECT_MS,
		.completion = options->completion,
		.sec = options->server.sec,
	};
	const struct verbs_origin origin = {
		.address = &address,
		.image = &offer->image,
		.refused = source->refused = verbs_refused_new(),
	};
	int error;

	if (!source->refused)
		return -ENOMEM;
	strcpy(address.host, options->server.host);
	(void)snprintf(address.device, sizeof(address.device), "%s",
		       options->device ? options->device : "");
	error = verbs_open(&origin, &source->transport, ret_opened, why);
	if (error && !why[0])
		verbs_address_explain(&address, error, why);
	if (!error)
		(void)snprintf(source->path, sizeof(source->path),
			       "rdma by %.15s, %lu MiB one-sided",
			       verbs_device_of(source->transport),
			       verbs_exported_bytes(source->transport) >> 20);
	return error;
}

static int open_far(struct xfer_source *source)
{
	const struct xfer_options *options = source->options;
	char why[WIRE_WHY_MAX + 1] = "";
	struct image *image = NULL;
	struct tcp_opened opened = {0};
	struct xfer_offer offer;
	int error = xfer_link_offer(&options->server, &offer);

	if (!error && options->proto == PLACE_TCP)
		error = open_tcp(source, &offer, &opened, why);
	else if (!error)
		error = open_verbs(source, &offer, &opened, why);
	if (!error)
		error = desc_decode(opened.desc, opened.desc_bytes, &image);
	if (!error)
		error = find_heap(source, image, offer.mib);
	image_free(image);
	free(opened.desc);
	if (error)
		say_error("reaching the pages at %s:%u over %s: %s",
			  options->server.host, options->server.port,
			  place_proto_name(options->proto),
			  *why ? why : strerror(-error));
	return error;
}

int xfer_source_open(const struct xfer_options *options,
		     struct xfer_source **ret)
{
	struct xfer_source *source = calloc(1, sizeof(*source));
	int error;

	if (!source)
		return -ENOMEM;
	source->options = options;
	source->parent = PEER_NONE;
	error = options->proto == PLACE_LOCAL ? open_local(source)
					      : open_far(source);
	if (error)
		xfer_source_close(source);
	else
		*ret = source;
	return error;
}

struct transport *xfer_source_transport(struct xfer_source *source)
{
	return source->transport;
}

const struct flow_area *xfer_source_area(const struct xfer_source *source)
{
	return &source->area;
}

pid_t xfer_source_pid(const struct xfer_source *source)
{
	return source->parent.pid;
}

const char *xfer_source_path(const struct xfer_source *source)
{
	return source->path;
}

void xfer_source_close(struct xfer_source *source)
{
	if (!source)
		return;
	if (source->transport)
		source->transport->ops->close(source->transport);
	verbs_refused_free(source->refused);
	keeper_release(source->keeper);
	peer_close(&source->parent);
	free(source);
}
