/* SPDX-License-Identifier: MIT */
/*
 * report.c - blob_report.step tells what follows
 */
#include "loader/report.h"

#include <errno.h>
#include <string.h>

#include "common/io.h"

#define STEP_WORDS  (-2)
#define STEP_STATUS (-3)
#define STEP_EMPTY  (-4)

void report_words(int fd, int error, const struct why *why)
{
	struct {
		struct blob_report head;
		struct why why;
	} message = {.head = {.step = STEP_WORDS, .error = error}};

	message.why = *why;
	(void)io_write_all(fd, &message, sizeof(message));
}

struct blob_report report_status(int status)
{
	return (struct blob_report){.step = STEP_STATUS, .error = status};
}

struct blob_report report_empty(void)
{
	return (struct blob_report){.step = STEP_EMPTY};
}

static int read_words(int fd, struct report *report)
{
	int error = io_read_all(fd, &report->why, sizeof(report->why));

	if (error)
		return -EPROTO;
	report->why.text[WHY_MAX] = '\0';
	report->kind = REPORT_WORDS;
	return 0;
}

int report_read(int fd, struct report *ret_report)
{
	struct blob_report head = {0};
	int error = io_read_all(fd, &head, sizeof(head));

	memset(ret_report, 0, sizeof(*ret_report));
	ret_report->kind = REPORT_END;
	if (error)
		return error == -ENODATA ? 0 : -EPROTO;
	ret_report->step = head.step;
	ret_report->error = ret_report->status = head.error;
	if (head.step == STEP_WORDS)
		return read_words(fd, ret_report);
	if (head.step == STEP_STATUS)
		ret_report->kind = REPORT_STATUS;
	else if (head.step == STEP_EMPTY)
		ret_report->kind = REPORT_EMPTY;
	else if (head.step == BLOB_RUNNING)
		ret_report->kind = REPORT_RUNNING;
	else
		ret_report->kind = REPORT_STEP;
	return 0;
}
