/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a child on its way says to its supervisor, over one pipe
 *
 * The blob can only write a struct blob_report; the code before it writes the
 * same head, with words behind it; the init process of a pid namespace writes
 * how its child ended.  Each message is one atomic write.
 */
#pragma once

#include "loader/blob/blob.h"
#include "loader/why.h"

enum report_kind {
	REPORT_RUNNING, /* the child has become the image */
	REPORT_STEP,	/* step @step of the plan failed with @error */
	REPORT_WORDS,	/* it failed before the plan: @error, @why */
	REPORT_STATUS,	/* it ended or stopped: @status as of waitpid(2) */
	REPORT_EMPTY, /* all of its world is gone, but for an init that stays */
	REPORT_END,   /* nobody will say more */
};

struct report {
	enum report_kind kind;
	int32_t step, error, status;
	struct why why;
};

/* Say that the load failed before the plan.  Errors are ignored: the process
 * ends anyway, and its end is seen. */
void report_words(int fd, int error, const struct why *why);

/* What init writes to say how the child ended or stopped.  Pure. */
struct blob_report report_status(int status);

/* What an init that stays writes when its world is empty.  Pure. */
struct blob_report report_empty(void);

/* Read one message.  Blocks.  0, or -EPROTO for a broken one. */
int report_read(int fd, struct report *ret_report);
