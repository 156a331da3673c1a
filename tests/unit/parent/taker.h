/* SPDX-License-Identifier: MIT */
/*
 * taker.h - take snapshots from a process that has nothing else to wait for
 */
#pragma once

#include <sys/types.h>

#include "parent/refusal.h"

/*
 * Take @count snapshots of @pid, one after the other, each released at once.
 * 0, or what the first that failed returned, with its words in @why.
 */
int taker_take(pid_t pid, unsigned count, struct refusal *why);
