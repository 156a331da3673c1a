/* SPDX-License-Identifier: MIT */
#include "loader/leads.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Field 5 (process group) or 6 (session) of /proc/PID/stat, as the host had. */
static long stat_field(const struct image *image, int wanted)
{
	const struct image_text *text = image_text(image, "stat");
	CLEANUP_FREE char *stat = NULL;
	const char *at;
	long pgrp, session;

	if (!text)
		return 0;
	stat = strndup((const char *)text->bytes, text->len_bytes);
	at = stat ? strrchr(stat, ')') : NULL;
	if (!at || sscanf(at, ") %*c %*d %ld %ld", &pgrp, &session) != 2)
		return 0;
	return wanted == 5 ? pgrp : session;
}

/*
 * A leader leads again, so that kill(0, ...) reaches nobody else.  Not at a
 * terminal: there the child must stay in the foreground with us.
 */
enum load_leads leads_choose(const struct image *image, const int stdio[3])
{
	bool terminal =
		isatty(stdio[0]) || isatty(stdio[1]) || isatty(stdio[2]);

	if (!image->host_pid)
		return LOAD_LEADS_NOBODY;
	if (stat_field(image, 6) == image->host_pid)
		return LOAD_LEADS_SESSION;
	return !terminal && stat_field(image, 5) == image->host_pid
		       ? LOAD_LEADS_GROUP
		       : LOAD_LEADS_NOBODY;
}
