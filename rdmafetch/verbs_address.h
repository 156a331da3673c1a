/* SPDX-License-Identifier: MIT */
/*
 * verbs_address.h - where a mitosisd listens for RDMA, and whether we can go
 *
 * No verbs header is needed here, nor in verbs.h and verbs_control.h: programs
 * built without the libraries use them too, and hear -EOPNOTSUPP.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/parse.h"
#include "rdmafetch/sec.h"
#include "rdmafetch/verbs_spin.h"

#define VERBS_DEVICE_MAX 63

struct verbs_address {
	char host[PARSE_HOST_MAX + 1]; /* name or address */
	uint16_t port;		       /* of the RDMA_PS_TCP port space */
	/* The local device to go through; "": the route's. */
	char device[VERBS_DEVICE_MAX + 1];
	int timeout_ms; /* as tcp_address.timeout_ms */
	enum verbs_completion completion;
	struct sec_settings sec; /* the credential to show in HELLO */
};

/*
 * Whether a device called @name ("": any) is here.  Returns 0, -ENODEV, or
 * -EOPNOTSUPP when built without RDMA.
 */
int verbs_address_device(const char *name);

/*
 * Say in @why, of WIRE_WHY_MAX + 1 bytes, what the -errno @error of a
 * connection to @address means, and what to do.
 */
void verbs_address_explain(const struct verbs_address *address, int error,
			   char *why);
