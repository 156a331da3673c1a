/* SPDX-License-Identifier: MIT */
/*
 * faults.h - /mnt/faults: how long faults waited, in full (common/latency.h)
 */
#pragma once

#include "rdmafetch/fetch.h"

/* The text, to be freed by the caller; NULL without memory.  Any thread. */
char *faults_text(struct fetch *fetch);
