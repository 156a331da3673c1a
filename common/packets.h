/* SPDX-License-Identifier: MIT */
/*
 * packets.h - messages with bounds, one behind the other in an image's bytes
 *
 *   | u16 length, not 0 | that many bytes | u16 length | ...
 *
 * What waits in a pipe whose writer has O_DIRECT: read(2) gives one of them at
 * a time.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKETS_HEAD_BYTES sizeof(uint16_t)
#define PACKETS_BYTES_MAX  ((size_t)UINT16_MAX) /* of one */

/*
 * The message at @data + *@at, borrowed, with its length; *@at moves behind it.
 * NULL at the end, or when there is none that fits before @len.
 */
const uint8_t *packets_next(const uint8_t *data, size_t len, size_t *at,
			    size_t *ret_bytes);

/* Is @data nothing but whole messages? */
bool packets_ok(const uint8_t *data, size_t len);

/*
 * Write the length, at most PACKETS_BYTES_MAX, of a message to @at; returns
 * where its bytes go.
 */
uint8_t *packets_head(uint8_t *at, size_t bytes);
