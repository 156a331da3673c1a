/* SPDX-License-Identifier: MIT */
/*
 * why.c - the first reason stays: it is the nearest to the cause
 */
#include "loader/why.h"

#include <stdarg.h>
#include <stdio.h>

int why_set(struct why *why, int error, const char *format, ...)
{
	va_list args;

	if (why->text[0])
		return error;
	va_start(args, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return error;
}
