/* SPDX-License-Identifier: MIT */
/*
 * session.h - one client of mitosisd: who it is, what it asks, what it opened
 *
 * A handle names an image for READs of one connection; it ends with that, and
 * so does what was exported by it.  A handle of an image that is gone answers
 * -ESTALE and never another image's bytes.
 *
 * Threads: the daemon's.
 */
#pragma once

#include "rdmafetch/serve.h"

#define SESSION_HANDLES_MAX 64u

/* For a server, whose arg is the struct daemon. */
extern const struct serve_ops session_ops;
