/* SPDX-License-Identifier: MIT */
/*
 * nearby.h - reads through a transport that copies at once
 *
 * Pages of this host come in the call that asks for them: there is nothing to
 * queue, to wait for, or to time out.  Two threads that want one page copy it
 * twice, which costs less than to find out.
 *
 * Above: fetch.c.  Below: the pump's transport.
 */
#pragma once

#include "rdmafetch/pieces.h"
#include "rdmafetch/pump.h"

/*
 * Copy @pieces of @object.  Wants the pump's lock, which it lets go meanwhile.
 *
 * Returns 0, or -EAGAIN when they must be flights: the transport cannot do
 * this, or could not read one of them.
 */
int nearby_read(struct pump *pump, uint32_t object,
		const struct pieces *pieces);
