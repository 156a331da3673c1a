/* SPDX-License-Identifier: MIT */
#include "tests/contract/pattern.h"

#include <string.h>

#include "rdmafetch/null.h"

static uint8_t byte_at(uint32_t object, uint64_t raddr)
{
	return (uint8_t)(null_word(object, raddr & ~7ull) >> (raddr % 8 * 8));
}

void pattern_fill(uint32_t object, uint64_t raddr, void *buf, size_t len_bytes)
{
	uint8_t *out = buf;
	size_t i = 0;

	for (; i < len_bytes && (raddr + i) % 8; i++)
		out[i] = byte_at(object, raddr + i);
	for (; i + 8 <= len_bytes; i += 8) {
		uint64_t word = null_word(object, raddr + i);

		memcpy(out + i, &word, 8);
	}
	for (; i < len_bytes; i++)
		out[i] = byte_at(object, raddr + i);
}

bool pattern_is(uint32_t object, uint64_t raddr, const void *buf,
		size_t len_bytes)
{
	const uint8_t *in = buf;

	for (size_t i = 0; i < len_bytes; i++) {
		uint64_t word;

		if ((raddr + i) % 8 == 0 && i + 8 <= len_bytes) {
			memcpy(&word, in + i, 8);
			if (word != null_word(object, raddr + i))
				return false;
			i += 7;
		} else if (in[i] != byte_at(object, raddr + i)) {
			return false;
		}
	}
	return true;
}
