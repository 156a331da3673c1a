/* SPDX-License-Identifier: MIT */
/*
 * why.h - why an image was not loaded, in words for a person
 *
 * One line: what was asked, what failed, why, and what to do about it.
 */
#pragma once

#define WHY_MAX 479 /* fits a pipe's atomic write with its header */

struct why {
	char text[WHY_MAX + 1]; /* no newline; "" for none */
};

/* Fill @why unless it has words already, and return @error (-errno). */
int why_set(struct why *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
