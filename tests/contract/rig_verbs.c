/* SPDX-License-Identifier: MIT */
/*
 * rig_verbs.c - the verbs transport, both ends on one device
 *
 * Faults are a matter of messages: with any of them nothing is exported.
 */
#include "tests/contract/rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/verbs.h"
#include "tests/contract/fake_verbs.h"

static struct fake_verbs *server;
static struct verbs_refused *refused;

static struct transport *rig_open(const struct rig_faults *faults)
{
	struct fake_verbs_options options = {0};
	struct wire_image image = {.name = "any"};
	struct transport *transport = NULL;
	struct verbs_address address;
	struct verbs_origin origin;
	char why[WIRE_WHY_MAX + 1];
	struct tcp_opened opened;
	int error;

	if (faults) {
		options.no_regions = true;
		options.delay_ns = faults->delay_ns;
		options.reorder = faults->reorder;
		options.fail_every = faults->fail_every;
		options.fail_status = faults->fail_result == -EREMOTEIO
					      ? -EIO
					      : faults->fail_result;
		options.break_after = faults->break_after;
	}
	server = fake_verbs_start(&options);
	refused = verbs_refused_new();
	if (!server || !refused) {
		(void)fprintf(stderr, "the far end does not start\n");
		return NULL;
	}
	address = fake_verbs_address(server);
	origin = (struct verbs_origin){&address, &image, refused};
	why[0] = '\0';
	error = verbs_open(&origin, &transport, &opened, why);
	if (error) {
		(void)fprintf(stderr, "verbs_open: %s (%s)\n", strerror(-error),
			      why);
		return NULL;
	}
	free(opened.desc);
	return transport;
}

static void rig_close(struct transport *transport)
{
	transport->ops->close(transport);
	fake_verbs_stop(server);
	verbs_refused_free(refused);
}

const struct rig rig_verbs = {"verbs", true, rig_open, rig_close,
			      fake_verbs_lack};
