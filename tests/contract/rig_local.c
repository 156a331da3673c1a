/* SPDX-License-Identifier: MIT */
/*
 * rig_local.c - the local transport over an array's bytes
 */
#include "tests/contract/rig.h"

#include <errno.h>
#include <stdatomic.h>

#include "rdmafetch/local.h"
#include "tests/contract/pattern.h"

static struct rig_source {
	struct page_source base;
	atomic_uint nr_reads;
	unsigned fail_every;
	int fail_result;
} source;

static int source_read(struct page_source *base, uint32_t object,
		       uint64_t raddr, void *buf, size_t len_bytes)
{
	unsigned nr = atomic_fetch_add(&source.nr_reads, 1) + 1;

	if (source.fail_every && nr % source.fail_every == 0)
		return source.fail_result;
	pattern_fill(object, raddr, buf, len_bytes);
	return 0;
}

static struct transport *rig_open(const struct rig_faults *faults)
{
	struct transport *transport = NULL;

	source.base.read = source_read;
	source.nr_reads = 0;
	source.fail_every = faults ? faults->fail_every : 0;
	source.fail_result = faults ? faults->fail_result : 0;
	if (source.fail_result == -EREMOTEIO)
		source.fail_result = -EIO; /* as a source says it */
	if (local_open(&source.base, &transport))
		return NULL;
	return transport;
}

static void rig_close(struct transport *transport)
{
	transport->ops->close(transport);
}

const struct rig rig_local = {"local", false, rig_open, rig_close};
