/* SPDX-License-Identifier: MIT */
/*
 * buffers.h - memory that reads land in again and again
 *
 * A transport may want to know a buffer before it can write it (RDMA: register
 * it), which takes longer than a read.  So what lives long is told once, and
 * made fit on each transport that the pump gets.
 *
 * Above: fetch.c and ahead.c; mend.c for each new transport.  Without room for
 * one more, or where a transport cannot, reads into the buffer work all the
 * same: the transport copies.
 *
 * Locks: pump.lock is held in every call; add and del let it go meanwhile.
 */
#pragma once

#include <stddef.h>

#include "rdmafetch/pump.h"

/* @buf stays valid until buffers_del(). */
void buffers_add(struct pump *pump, void *buf, size_t len_bytes);

/* No read into @buf is under way.  One never added is allowed. */
void buffers_del(struct pump *pump, void *buf);

/* The pump has a new transport, which nobody uses yet. */
void buffers_prepare(struct pump *pump);
