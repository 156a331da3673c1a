/* SPDX-License-Identifier: MIT */
/*
 * rival.h - plain fork() of the same parent, to stand beside
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/peer.h"

struct rival {
	struct peer peer;
	pid_t pid;
	uint64_t start_ns;  /* just before fork() */
	uint64_t call_ns;   /* fork(), as its caller sees it */
	uint64_t first_ns;  /* start to the child's first instruction */
	uint64_t answer_ns; /* start to the answer to a ping that waited */
};

/*
 * Let @parent fork a child that answers on FIFOs in @dir.  Says its errors and
 * returns -errno.  End it with rival_end().
 */
int rival_start(struct peer *parent, const char *dir, struct rival *ret);

/* Let @parent kill and reap the child. */
int rival_end(struct peer *parent, struct rival *rival);
