/* SPDX-License-Identifier: MIT */
#include "parent/refusal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

/* Names of files come in here, and may hold anything. */
static void one_line(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

int refuse(struct refusal *refusal, int error, const char *format, ...)
{
	va_list args;

	if (!refusal)
		return error;
	va_start(args, format);
	(void)vsnprintf(refusal->why, sizeof(refusal->why), format, args);
	va_end(args);
	one_line(refusal->why);
	return error;
}
