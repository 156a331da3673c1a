/* SPDX-License-Identifier: MIT */
/*
 * raw_client.h - frames by hand, for tests that must be able to send wrong ones
 *
 * Blocking; each call fails the test when something does not work, and after
 * RAW_TIMEOUT_S at the latest.
 */
#pragma once

#include <stdint.h>

#include "common/wire.h"

#define RAW_TIMEOUT_S 20

int raw_dial_tcp(uint16_t port);
int raw_dial_unix(const char *path);

/* HELLO; and HELLO with its answer checked, which returns @fd again. */
void raw_hello(int fd, uint32_t version);
int raw_join(int fd);

/* Send a request; @header.body_bytes bytes of @body. */
void raw_ask(int fd, struct wire_header header, const void *body);

/* The next reply; its body, with a NUL behind it, is the caller's to free. */
struct wire_header raw_get(int fd, uint8_t **ret_body);

/* A READ as bytes in @out (64 bytes are enough); returns how many. */
size_t raw_put_read(uint8_t *out, uint32_t id, uint16_t flags,
		    struct wire_read read);
void raw_read(int fd, uint32_t id, uint16_t flags, struct wire_read read);

/* The server hung up: end of file, or a reset.  Closes @fd. */
void raw_assert_dropped(int fd);
