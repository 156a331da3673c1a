/* SPDX-License-Identifier: MIT */
/*
 * verbs_done.h - what a completion means for the reads under way
 *
 * A completed READ ends its read and all before it that nothing was told of; a
 * message that came is an answer, a refusal, or says that the answer is far.
 * The first error ends the connection.  When it was the far end's device that
 * refused a range, that range goes by message from then on.
 *
 * Above: verbs.c, which holds its lock in every call.
 */
#pragma once

#include "rdmafetch/verbs_post.h"

/*
 * Deal with @wc: reads land, or are queued again to fetch what is far; a break
 * shows in core->is_broken.
 */
void verbs_done_take(struct verbs_core *core, const struct ibv_wc *wc);
