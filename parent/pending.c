/* SPDX-License-Identifier: MIT */
#include "parent/pending.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#define BATCH 16

_Static_assert(sizeof(siginfo_t) ==
		       sizeof(((struct image_pending *)0)->siginfo),
	       "an image carries whole siginfos");

static int grow(struct pending *pending)
{
	uint32_t cap = pending->cap ? pending->cap * 2 : BATCH;
	struct image_pending *rows =
		realloc(pending->signals, cap * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	pending->signals = rows;
	pending->cap = cap;
	return 0;
}

int pending_take(struct pending *pending, const struct image_pending *row)
{
	int rc = 0;

	if (pending->nr == IMAGE_PENDING_MAX)
		return -E2BIG;
	if (pending->nr == pending->cap)
		rc = grow(pending);
	if (rc == 0)
		pending->signals[pending->nr++] = *row;
	return rc;
}

static int take_info(struct pending *pending, int32_t tid,
		     const siginfo_t *info)
{
	struct image_pending row = {.tid = tid};

	memcpy(row.siginfo, info, sizeof(row.siginfo));
	return pending_take(pending, &row);
}

int pending_add(struct pending *pending, pid_t tid, bool shared,
		uint64_t *ret_set)
{
	struct __ptrace_peeksiginfo_args range = {
		.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0, .nr = BATCH};
	siginfo_t infos[BATCH];
	uint64_t set = 0;
	long got;

	do {
		got = ptrace(PTRACE_PEEKSIGINFO, tid, &range, infos);
		if (got < 0)
			return -errno;
		for (long i = 0; i < got; i++) {
			int rc =
				take_info(pending, shared ? 0 : tid, &infos[i]);

			if (rc)
				return rc;
			set |= 1ull << (infos[i].si_signo - 1);
		}
		range.off += (uint64_t)got;
	} while (got == BATCH);
	*ret_set = set;
	return 0;
}

void pending_free(struct pending *pending)
{
	free(pending->signals);
	*pending = (struct pending){0};
}
