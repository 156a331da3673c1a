/* SPDX-License-Identifier: MIT */
/*
 * holder.h - what the keeper's process does: take, tell, lend, await the end
 *
 * Above: keeper.c, which forks it and reads the answers.  Over the socket:
 *
 *     keeper.c                                  holder.c
 *       struct keeper_request ---------->
 *       <-------- struct holder_answer, descriptors of enum holder_fd
 *       struct lending_ask ------------->   (one at a time)
 *       <-------- struct lending_answer    parent/lending.h
 *
 * and each side sees in it the other's death.
 */
#pragma once

#include <stdint.h>

#include "parent/keeper.h"
#include "parent/refusal.h"

enum holder_fd {
	HOLDER_DESC = 1 << 0,	/* sealed memfd: the encoded descriptor */
	HOLDER_MEM = 1 << 1,	/* /proc/TWIN/mem */
	HOLDER_EXE = 1 << 2,	/* the executable */
	HOLDER_SHARED = 1 << 3, /* memfd: copied pages */
	HOLDER_RUNS = 1 << 4,	/* sealed memfd: struct image_run of them */
};

#define HOLDER_FDS_MAX 5

struct holder_answer {
	int32_t error; /* 0 or -errno; all else counts only with 0 */
	int32_t twin;
	uint32_t fds; /* enum holder_fd of those that came, lowest first */
	uint32_t nr_shared_runs;
	uint64_t desc_bytes;
	struct refusal why;
};

/*
 * Make ready, wait for the request on @sock, take the snapshot, answer, hold
 * it, and lend its memory when asked, until the far end closes or the twin
 * dies.  Never returns.  To be called in a process of its own; all descriptors
 * but @sock are closed.
 */
_Noreturn void holder_run(int sock);
