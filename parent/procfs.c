/* SPDX-License-Identifier: MIT */
#include "parent/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/dents.h"
#include "parent/text.h"

/* Groups and NSpid are the only long lines; 65536 groups take 720 KiB. */
#define STATUS_BYTES_MAX (1u << 20)
#define TIMERS_BYTES_MAX (IMAGE_TIMERS_MAX * 256u)

/* The last number of a list: the innermost namespace. */
static bool take_last(struct text *line, int32_t *ret_number)
{
	bool any = false;

	while (text_take_i32(line, ret_number))
		any = true;
	return any;
}

static bool take_four(struct text *line, uint32_t ids[4])
{
	for (int i = 0; i < 4; i++)
		if (!text_take_u32(line, 10, &ids[i]))
			return false;
	return true;
}

static int take_groups(struct text line, struct procfs_status *status)
{
	struct text rest = line;
	uint32_t group, nr = 0;

	while (text_take_u32(&rest, 10, &group))
		nr++;
	if (nr > IMAGE_GROUPS_MAX)
		return -E2BIG;
	if (!nr || status->groups)
		return 0;
	status->groups = calloc(nr, sizeof(*status->groups));
	if (!status->groups)
		return -ENOMEM;
	while (status->nr_groups < nr &&
	       text_take_u32(&line, 10, &status->groups[status->nr_groups]))
		status->nr_groups++;
	return 0;
}

/* Lines of one number, by name, base and place. */
static const struct {
	const char *name;
	uint8_t base;
	uint8_t is_64;
	uint16_t offset;
} numbers[] = {
#define FIELD(name, base, member)                                              \
	{                                                                      \
		name, base, sizeof(((struct procfs_status *)0)->member) == 8,  \
			offsetof(struct procfs_status, member)                 \
	}
	FIELD("Umask:", 8, umask),
	FIELD("Tgid:", 10, tgid),
	FIELD("Pid:", 10, pid),
	FIELD("PPid:", 10, ppid),
	FIELD("TracerPid:", 10, tracer_pid),
	FIELD("Threads:", 10, nr_threads),
	FIELD("SigPnd:", 16, sig_pending),
	FIELD("ShdPnd:", 16, shared_pending),
	FIELD("SigBlk:", 16, sig_blocked),
	FIELD("SigIgn:", 16, sig_ignored),
	FIELD("SigCgt:", 16, sig_caught),
	FIELD("NoNewPrivs:", 10, no_new_privs),
	FIELD("Seccomp:", 10, seccomp),
#undef FIELD
};

/* 1 when a number was taken, 0 when the line is no such line, or -EPROTO. */
static int take_known_number(struct text *line, struct procfs_status *status)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		char *member = (char *)status + numbers[i].offset;
		uint64_t max = numbers[i].is_64 ? UINT64_MAX : INT32_MAX;
		uint64_t number;

		if (!text_take(line, numbers[i].name))
			continue;
		if (!text_take_number(line, numbers[i].base, max, &number))
			return -EPROTO;
		if (numbers[i].is_64)
			*(uint64_t *)(void *)member = number;
		else
			*(uint32_t *)(void *)member = (uint32_t)number;
		return 1;
	}
	return 0;
}

static int take_status_line(struct text line, struct procfs_status *status)
{
	int rc = take_known_number(&line, status);

	if (rc)
		return rc < 0 ? rc : 0;
	if (text_take(&line, "State:")) {
		struct text word;

		if (!text_take_word(&line, &word))
			return -EPROTO;
		status->state = *word.at;
		return 0;
	}
	if (text_take(&line, "Uid:"))
		return take_four(&line, status->uid) ? 0 : -EPROTO;
	if (text_take(&line, "Gid:"))
		return take_four(&line, status->gid) ? 0 : -EPROTO;
	if (text_take(&line, "NSpid:"))
		return take_last(&line, &status->ns_pid) ? 0 : -EPROTO;
	if (text_take(&line, "NStgid:"))
		return take_last(&line, &status->ns_tgid) ? 0 : -EPROTO;
	if (text_take(&line, "Groups:"))
		return take_groups(line, status);
	return 0;
}

int procfs_parse_status(const char *text, size_t len_bytes,
			struct procfs_status *ret_status)
{
	CLEANUP(procfs_status_free) struct procfs_status status = {0};
	struct text rest = text_of(text, len_bytes), line;
	int rc;

	while (text_take_line(&rest, &line)) {
		/* The first line: a name can hold anything but a newline. */
		if (text_starts(&line, "Name:"))
			continue;
		rc = take_status_line(line, &status);
		if (rc)
			return rc;
	}
	if (!status.pid || !status.tgid || !status.state)
		return -EPROTO;
	if (!status.ns_pid)
		status.ns_pid = status.pid;
	if (!status.ns_tgid)
		status.ns_tgid = status.tgid;
	*ret_status = status;
	status = (struct procfs_status){0};
	return 0;
}

static int slurp(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	int rc = io_slurp_at(AT_FDCWD, path, max, ret_text, ret_len);

	return rc == -ENOENT ? -ESRCH : rc;
}

int procfs_status(pid_t pid, pid_t tid, struct procfs_status *ret_status)
{
	CLEANUP_FREE char *text = NULL;
	char path[64];
	size_t len;
	int rc;

	if (tid > 0)
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status",
			       pid, tid);
	else
		(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	rc = slurp(path, STATUS_BYTES_MAX, &text, &len);
	return rc ? rc : procfs_parse_status(text, len, ret_status);
}

void procfs_status_free(struct procfs_status *status)
{
	free(status->groups);
	*status = (struct procfs_status){0};
}

/* Skip @nr words. */
static bool skip_words(struct text *text, unsigned nr)
{
	struct text word;

	while (nr--)
		if (!text_take_word(text, &word))
			return false;
	return true;
}

static bool take_addresses(struct text *text, uint64_t *const *to, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (!text_take_number(text, 10, UINT64_MAX, to[i]))
			return false;
	return true;
}

int procfs_parse_stat(const char *text, size_t len_bytes,
		      struct image_mm *ret_mm)
{
	struct text rest = text_of(text, len_bytes);
	struct image_mm mm = {0};
	uint64_t *const low[] = {&mm.start_code, &mm.end_code, &mm.start_stack};
	uint64_t *const high[] = {&mm.start_data, &mm.end_data, &mm.start_brk,
				  &mm.arg_start,  &mm.arg_end,	&mm.env_start,
				  &mm.env_end};
	const char *paren = memrchr(text, ')', len_bytes);

	/* A name may hold blanks and ')': field 3 follows the last one. */
	if (!paren)
		return -EPROTO;
	rest.at = paren + 1;
	if (rest.end > rest.at && rest.end[-1] == '\n')
		rest.end--;
	/* Fields 26-28 and 45-51 of proc_pid_stat(5). */
	if (!skip_words(&rest, 23) || !take_addresses(&rest, low, 3) ||
	    !skip_words(&rest, 16) || !take_addresses(&rest, high, 7))
		return -EPROTO;
	*ret_mm = mm;
	return 0;
}

/* "notify: signal/pid.123", "thread/tid.4", "none/pid.5" */
static bool take_notify(struct text *line, struct image_timer *timer)
{
	bool thread_id;

	if (text_take(line, "signal/"))
		timer->notify = SIGEV_SIGNAL;
	else if (text_take(line, "none/"))
		timer->notify = SIGEV_NONE;
	else if (text_take(line, "thread/"))
		timer->notify = SIGEV_THREAD;
	else
		return false;
	thread_id = text_take(line, "tid.");
	if (thread_id)
		timer->notify |= SIGEV_THREAD_ID;
	else if (!text_take(line, "pid."))
		return false;
	return text_take_i32(line, &timer->target_tid);
}

static bool take_timer_line(struct text line, struct image_timer *timer)
{
	if (text_take(&line, "signal:"))
		return text_take_i32(&line, &timer->signo) &&
		       text_take(&line, "/") &&
		       text_take_number(&line, 16, UINT64_MAX, &timer->sigval);
	if (text_take(&line, "notify:"))
		return take_notify(&line, timer);
	if (text_take(&line, "ClockID:")) {
		/* CPU clocks of a process or thread are negative. */
		bool negative = text_take(&line, "-");

		if (!text_take_i32(&line, &timer->clockid))
			return false;
		if (negative)
			timer->clockid = -timer->clockid;
	}
	return true;
}

static int take_timer_id(struct text line, struct image_timer *timers,
			 uint32_t *nr)
{
	if (*nr == IMAGE_TIMERS_MAX)
		return -E2BIG;
	if (!text_take_i32(&line, &timers[*nr].id))
		return -EPROTO;
	*nr += 1;
	return 0;
}

int procfs_parse_timers(const char *text, size_t len_bytes,
			struct image_timer **ret_timers, uint32_t *ret_nr)
{
	CLEANUP_FREE struct image_timer *timers = NULL;
	struct text rest = text_of(text, len_bytes), line;
	uint32_t nr = 0;
	int rc = 0;

	if (len_bytes)
		timers = calloc(IMAGE_TIMERS_MAX, sizeof(*timers));
	if (len_bytes && !timers)
		return -ENOMEM;
	while (!rc && text_take_line(&rest, &line)) {
		if (text_take(&line, "ID:"))
			rc = take_timer_id(line, timers, &nr);
		else if (!nr || !take_timer_line(line, &timers[nr - 1]))
			rc = -EPROTO;
	}
	if (rc)
		return rc;
	*ret_nr = nr;
	*ret_timers = steal_ptr(&timers);
	return 0;
}

int procfs_timers(pid_t pid, struct image_timer **ret_timers, uint32_t *ret_nr)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/timers", pid);
	rc = slurp(path, TIMERS_BYTES_MAX, &text, &len);
	return rc ? rc : procfs_parse_timers(text, len, ret_timers, ret_nr);
}

int procfs_tids(int task_fd, pid_t **tids, uint32_t *cap, uint32_t *ret_nr)
{
	uint32_t nr;
	int rc = dents_list(task_fd, IMAGE_THREADS_MAX, tids, cap, &nr);

	if (rc)
		return rc;
	if (!nr)
		return -ESRCH;
	*ret_nr = nr;
	return 0;
}
