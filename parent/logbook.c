/* SPDX-License-Identifier: MIT */
/* logbook.c - see logbook.h */
#include "parent/logbook.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define NS_PER_S 1000000000ull

/* Whether one more line may be said now. */
static bool may_say(struct logbook *book, uint64_t now_ns)
{
	if (!book->second_ns || now_ns - book->second_ns >= NS_PER_S) {
		book->second_ns = now_ns;
		book->nr_said = 0;
	}
	if (book->nr_said == book->per_s_max) {
		book->nr_untold++;
		return false;
	}
	book->nr_said++;
	return true;
}

void logbook_say(struct logbook *book, uint64_t now_ns, const char *format, ...)
{
	char words[LOGBOOK_LINE_MAX - 48], line[LOGBOOK_LINE_MAX],
		more[48] = "";
	va_list args;

	if (!book->say || !may_say(book, now_ns))
		return;
	if (book->nr_untold)
		(void)snprintf(more, sizeof(more), " (and %u before)",
			       book->nr_untold);
	book->nr_untold = 0;
	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	(void)snprintf(line, sizeof(line), "%s%s", words, more);
	book->say(line);
}
