/* SPDX-License-Identifier: MIT */
/*
 * refusal.h - why a snapshot was not taken, in words for a person
 */
#pragma once

#define REFUSAL_MAX 255

struct refusal {
	char why[REFUSAL_MAX + 1]; /* one line, no newline, "" for none */
};

/* Fill @refusal (may be NULL) and return @error, which is -errno. */
int refuse(struct refusal *refusal, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
