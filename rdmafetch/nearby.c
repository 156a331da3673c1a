/* SPDX-License-Identifier: MIT */
#include "rdmafetch/nearby.h"

#include <errno.h>

#include "common/io.h"
#include "common/trace.h"

/* One piece, in reads that are legal.  Without the lock. */
static int copy_piece(struct transport *transport, uint32_t object,
		      struct piece piece)
{
	int err = 0;

	while (!err && piece.len_bytes) {
		struct transport_read read = {
			.object = object,
			.len_bytes = TRANSPORT_READ_MAX,
			.raddr = piece.raddr,
			.buf = piece.buf,
			.urgent = 1,
		};

		if (piece.len_bytes < read.len_bytes)
			read.len_bytes = (uint32_t)piece.len_bytes;
		TRACE(fetch__begin, object, read.raddr, read.len_bytes, 0);
		err = transport->ops->copy(transport, &read);
		TRACE(fetch__end, object, read.raddr, read.len_bytes, err);
		piece.raddr += read.len_bytes;
		piece.buf += read.len_bytes;
		piece.len_bytes -= read.len_bytes;
	}
	return err;
}

int nearby_read(struct pump *pump, uint32_t object, const struct pieces *pieces)
{
	struct transport *transport = pump->transport;
	uint64_t bytes = 0, start_ns;
	int err = 0;

	if (pump->broken || !transport || !transport->ops->copy)
		return -EAGAIN;
	pump_enter(pump);
	start_ns = io_monotonic_ns();
	for (unsigned i = 0; !err && i < pieces->nr; i++) {
		err = copy_piece(transport, object, pieces->at[i]);
		bytes += pieces->at[i].len_bytes;
	}
	pump_leave(pump);
	if (err)
		return -EAGAIN; /* the flights find out which, and try again */
	timing_add(&pump->stats.read_took, io_monotonic_ns() - start_ns);
	pump->stats.read_bytes += bytes;
	return 0;
}
