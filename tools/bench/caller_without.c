/* SPDX-License-Identifier: MIT */
/* caller_without.c - instead of caller_verbs.c where there is no RDMA */
#include <errno.h>
#include <stdio.h>

#include "common/wire.h"
#include "tools/bench/caller_base.h"

int caller_verbs_open(const struct caller_options *options, struct caller **ret,
		      char *why)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1, "rdma: built without RDMA");
	return -EOPNOTSUPP;
}
