/* SPDX-License-Identifier: MIT */
#include "parent/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(struct refusal *refusal, int error, const char *format, ...)
{
	va_list args;

	if (!refusal)
		return error;
	va_start(args, format);
	(void)vsnprintf(refusal->why, sizeof(refusal->why), format, args);
	va_end(args);
	return error;
}
