/* SPDX-License-Identifier: MIT */
/*
 * local.h - pages of a snapshot on this host, copied once by the kernel
 *
 * A read is done when submit returns: no hand-off between threads, which costs
 * more than the copy itself.
 */
#pragma once

#include "common/source.h"
#include "rdmafetch/transport.h"

/* @source stays the caller's and must outlive the transport.  0 or -ENOMEM. */
int local_open(struct page_source *source, struct transport **ret);
