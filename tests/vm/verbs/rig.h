/* SPDX-License-Identifier: MIT */
/*
 * rig.h - a verbs server with a make-believe image, and what its clients do
 *
 * Each call fails the test when something is wrong.  Threads: the test's.
 */
#pragma once

#include "fake_daemon.h"
#include "raw_verbs.h"

#define RIG_HANDLE 7u /* what OPEN answers */

/* Serve on 10.9.0.1; @options may be NULL. */
struct fake_daemon *rig_start(const struct serve_options *options);

/* A client that has said HELLO. */
struct raw_verbs *rig_join(struct fake_daemon *fake);

/* Wait until the server counts @clients and @strangers. */
void rig_await(struct fake_daemon *fake, uint64_t clients, uint64_t strangers);

/* The image's memory at @raddr, and @len_bytes of it at @bytes. */
struct wire_read rig_read_of(uint64_t raddr, uint32_t len_bytes);
void rig_assert_pages(const uint8_t *bytes, uint64_t raddr, uint32_t len_bytes);

/* Ask for pages as a message and check them, inline or FAR. */
void rig_check_read(struct raw_verbs *raw, uint32_t id, uint64_t raddr,
		    uint32_t len_bytes);

/* OPEN the image called @name. */
void rig_ask_open(struct raw_verbs *raw, uint32_t id, const char *name);
