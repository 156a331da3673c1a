/* SPDX-License-Identifier: MIT */
/*
 * say.c - one line, one write, nothing in it that could move a cursor
 */
#include "common/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_BYTES 4608 /* a path of 4096 and some words */

static const char *program = "mitosis";
static bool use_syslog;

void say_init(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	if (slash && slash[1])
		program = slash + 1;
	else if (argv0 && *argv0)
		program = argv0;
}

void say_to_syslog(void)
{
	openlog(program, LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

/*
 * Words may come from another host: an escape sequence or a second line in them
 * must not reach a terminal.  Bytes of UTF-8 stay, save the second set of
 * control characters, U+0080 to U+009F, which is 0xc2 and the like byte.
 */
static void make_harmless(char *text)
{
	unsigned char *at = (unsigned char *)text;

	for (; *at; at++) {
		if (*at < ' ' || *at == 0x7f)
			*at = '?';
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
			at[0] = at[1] = '?';
	}
}

/* Each time: stderr may be another one by now. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

static int put_prefix(char *line, size_t room, int priority)
{
	if (is_journal())
		return snprintf(line, room, "<%d>", priority);
	return snprintf(line, room, "%s: ", program);
}

static size_t cut(int printed, size_t room)
{
	if (printed < 0)
		return 0;
	return (size_t)printed < room ? (size_t)printed : room - 1;
}

__attribute__((format(printf, 2, 0))) static void
say(int priority, const char *format, va_list args)
{
	int saved_errno = errno;
	char line[LINE_BYTES];
	/* One byte is kept back for the newline. */
	size_t room = sizeof(line) - 1;
	size_t prefix = cut(put_prefix(line, room / 2, priority), room / 2);
	size_t len = prefix;

	len += cut(vsnprintf(line + prefix, room - prefix, format, args),
		   room - prefix);
	line[len] = '\0';
	make_harmless(line);
	if (use_syslog)
		syslog(priority, "%s", line + prefix);
	if (!use_syslog || isatty(STDERR_FILENO)) {
		line[len] = '\n';
		if (write(STDERR_FILENO, line, len + 1) < 0)
			len = 0; /* nobody is left to be told */
	}
	errno = saved_errno;
}

void say_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_ERR, format, args);
	va_end(args);
}

void say_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_NOTICE, format, args);
	va_end(args);
}

const char *say_name(void)
{
	return program;
}
