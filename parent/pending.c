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

static int add_row(struct pending *pending, int32_t tid, const siginfo_t *info)
{
	struct image_pending *row;

	if (pending->nr == IMAGE_PENDING_MAX)
		return -E2BIG;
	if (pending->nr == pending->cap) {
		uint32_t cap = pending->cap ? pending->cap * 2 : BATCH;

		row = realloc(pending->signals, cap * sizeof(*row));
		if (!row)
			return -ENOMEM;
		pending->signals = row;
		pending->cap = cap;
	}
	row = &pending->signals[pending->nr++];
	row->tid = tid;
	memcpy(row->siginfo, info, sizeof(row->siginfo));
	return 0;
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
			int rc = add_row(pending, shared ? 0 : tid, &infos[i]);

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
