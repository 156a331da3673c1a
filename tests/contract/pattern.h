/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - the bytes at every address of a test image
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Write what lies at @raddr of @object: the bytes of null_word(). */
void pattern_fill(uint32_t object, uint64_t raddr, void *buf, size_t len_bytes);

/* Whether @buf holds what pattern_fill() writes. */
bool pattern_is(uint32_t object, uint64_t raddr, const void *buf,
		size_t len_bytes);
