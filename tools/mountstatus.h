/* SPDX-License-Identifier: MIT */
/*
 * mountstatus.h - the file status of a mount, taken apart: pure
 *
 * Whoever may mount a file system may call it mitosisfs, so nothing in the text
 * is believed.
 */
#pragma once

#include <stdint.h>

#define MOUNTSTATUS_MAX 65536u /* bytes of the file */

struct mountstatus {
	/* Into the text, or "": not told. */
	const char *source, *state, *mode, *tier, *why; /* why: it is cold */
	uint64_t pages_present, pages_here, users;
};

/*
 * Find what is wanted in the lines of @text, which is changed and must outlive
 * @ret.  Lines that are not known are passed over, and a number that is none is
 * 0.
 */
void mountstatus_parse(char *text, struct mountstatus *ret);
