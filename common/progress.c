/* SPDX-License-Identifier: MIT */
#include "common/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/json.h"

#define MIB	    (1024.0 * 1024.0)
#define COLUMNS_MIN 20u
#define COLUMNS	    80u
#define BAR_MAX	    40u
#define TTY_MS	    100
#define JSON_MS	    1000
#define CLEAR_LINE  "\r\033[K"

static unsigned percent(const struct progress *progress)
{
	if (!progress->all_bytes || progress->done_bytes >= progress->all_bytes)
		return 100;
	return (unsigned)(100.0 * (double)progress->done_bytes /
			  (double)progress->all_bytes);
}

static double mib_per_s(const struct progress *progress)
{
	return progress->took_ns ? (double)progress->done_bytes / MIB /
					   ((double)progress->took_ns / 1e9)
				 : 0;
}

void progress_line(const struct progress *progress,
		   char line[PROGRESS_LINE_MAX + 1])
{
	(void)snprintf(line, PROGRESS_LINE_MAX + 1,
		       "%.1f of %.1f MiB (%u %%) of %.120s here, %s, "
		       "%.1f MiB/s",
		       (double)progress->done_bytes / MIB,
		       (double)progress->all_bytes / MIB, percent(progress),
		       progress->what, progress->state, mib_per_s(progress));
}

void progress_bar(const struct progress *progress, unsigned columns,
		  char line[PROGRESS_LINE_MAX + 1])
{
	static const char full[] = "########################################";
	static const char empty[] = "........................................";
	char text[96];
	int len = snprintf(
		text, sizeof(text), " %3u %% %.1f/%.1f MiB %.0f/s",
		percent(progress), (double)progress->done_bytes / MIB,
		(double)progress->all_bytes / MIB, mib_per_s(progress));
	int room, filled;

	if (columns < COLUMNS_MIN)
		columns = COLUMNS_MIN;
	if (columns > PROGRESS_LINE_MAX)
		columns = PROGRESS_LINE_MAX;
	/* Brackets, and the last column, in which some terminals wrap. */
	room = (int)columns - len - 3;
	if (room > (int)BAR_MAX)
		room = (int)BAR_MAX;
	if (room < 4) {
		(void)snprintf(line, columns, "%s", text + 1);
		return;
	}
	filled = room * (int)percent(progress) / 100;
	(void)snprintf(line, PROGRESS_LINE_MAX + 1, "[%.*s%.*s]%s", filled,
		       full, room - filled, empty, text);
}

struct progress_show progress_to(int fd)
{
	return (struct progress_show){.fd = fd, .tty = isatty(fd)};
}

int progress_pause_ms(const struct progress_show *show)
{
	return show->tty ? TTY_MS : JSON_MS;
}

static unsigned columns_of(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col ? COLUMNS
							    : size.ws_col;
}

static void tell_tty(int fd, const struct progress *progress, bool last)
{
	char bar[PROGRESS_LINE_MAX + 1];
	char line[PROGRESS_LINE_MAX + sizeof(CLEAR_LINE) + 2];
	int len;

	progress_bar(progress, columns_of(fd), bar);
	len = snprintf(line, sizeof(line), "%s%s%s", CLEAR_LINE, bar,
		       last ? "\n" : "");
	(void)io_write_all(fd, line, (size_t)len);
}

static void tell_json(int fd, const struct progress *progress)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);
	struct json json;

	if (!file)
		return;
	json = json_to(file);
	json.one_line = true;
	json_object(&json, NULL);
	json_string(&json, "what", progress->what);
	json_string(&json, "state", progress->state);
	json_u64(&json, "done_bytes", progress->done_bytes);
	json_u64(&json, "all_bytes", progress->all_bytes);
	json_double(&json, "seconds", (double)progress->took_ns / 1e9);
	json_double(&json, "mib_per_s", mib_per_s(progress));
	json_end(&json);
	if (!fclose(file))
		(void)io_write_all(fd, text, len);
}

void progress_tell(struct progress_show *show, const struct progress *progress,
		   bool last)
{
	uint64_t now_ns = io_monotonic_ns();

	if (!last && now_ns < show->next_ns)
		return;
	show->next_ns = now_ns + (uint64_t)progress_pause_ms(show) * 1000000;
	if (show->tty)
		tell_tty(show->fd, progress, last);
	else
		tell_json(show->fd, progress);
}
