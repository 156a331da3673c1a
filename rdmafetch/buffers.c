/* SPDX-License-Identifier: MIT */
/*
 * buffers.c - a short list
 */
#include "rdmafetch/buffers.h"

/* Whether the transport there is wants to know. */
static bool has_use(const struct pump *pump)
{
	return pump->transport && !pump->broken &&
	       pump->transport->ops->prepare_buffer;
}

void buffers_add(struct pump *pump, void *buf, size_t len_bytes)
{
	struct transport *transport = pump->transport;

	if (pump->nr_buffers == PUMP_BUFFERS_MAX)
		return;
	pump->buffers[pump->nr_buffers++] =
		(struct pump_buffer){buf, len_bytes};
	if (!has_use(pump))
		return;
	pump_enter(pump);
	(void)transport->ops->prepare_buffer(transport, buf, len_bytes);
	pump_leave(pump);
}

/*
 * A broken transport is not told: it is about to be closed, and nobody gives it
 * another read.
 */
void buffers_del(struct pump *pump, void *buf)
{
	struct transport *transport = pump->transport;
	unsigned at = 0;

	while (at < pump->nr_buffers && pump->buffers[at].buf != buf)
		at++;
	if (at == pump->nr_buffers)
		return;
	pump->buffers[at] = pump->buffers[--pump->nr_buffers];
	if (!has_use(pump))
		return;
	pump_enter(pump);
	transport->ops->release_buffer(transport, buf);
	pump_leave(pump);
}

void buffers_prepare(struct pump *pump)
{
	struct transport *transport = pump->transport;

	for (unsigned i = 0; i < pump->nr_buffers && has_use(pump); i++)
		(void)transport->ops->prepare_buffer(
			transport, pump->buffers[i].buf,
			pump->buffers[i].len_bytes);
}
