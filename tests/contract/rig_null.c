/* SPDX-License-Identifier: MIT */
/*
 * rig_null.c - the null transport under the contract suite
 */
#include "tests/contract/rig.h"

#include "rdmafetch/null.h"

static struct transport *rig_open(const struct rig_faults *faults)
{
	struct null_options options = {0};
	struct transport *transport = NULL;

	if (faults) {
		options.delay_ns = faults->delay_ns;
		options.reorder = faults->reorder;
		options.fail_every = faults->fail_every;
		options.fail_result = faults->fail_result;
		options.break_after = faults->break_after;
	}
	if (null_open(&options, &transport))
		return NULL;
	return transport;
}

static void rig_close(struct transport *transport)
{
	transport->ops->close(transport);
}

const struct rig rig_null = {"null", true, rig_open, rig_close};
