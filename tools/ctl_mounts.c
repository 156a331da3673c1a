/* SPDX-License-Identifier: MIT */
#include "tools/ctl_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/mountinfo.h"
#include "common/page.h"
#include "common/parse.h"

#define MOUNTINFO_MAX (64ul << 20)
#define CELL_MAX      255u
#define MIB	      (1024.0 * 1024.0)

/* ---- one mount ---- */

/* In a process of its own: the text, or a word for why there is none. */
static void tell(const char *point, int fd)
{
	CLEANUP_FREE char *text = NULL;
	char path[PATH_MAX];
	const char *state = "state: unreadable\n";
	size_t len;
	int r;

	(void)snprintf(path, sizeof(path), "%s/status", point);
	r = io_slurp_at(AT_FDCWD, path, MOUNTSTATUS_MAX, &text, &len);
	if (!r)
		(void)io_write_all(fd, text, len);
	if (r == -ENOTCONN)
		state = "state: dead\n";
	if (r == -EACCES)
		state = "state: private\n";
	if (r)
		(void)io_write_all(fd, state, strlen(state));
}

/* All that comes before the time is over; the rest of @text is zeros. */
static void hear(int fd, char *text, size_t size)
{
	uint64_t until_ns =
		io_monotonic_ns() + CTL_MOUNTS_PATIENCE_MS * 1000000ull;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	size_t len = 0;

	while (len < size) {
		uint64_t now_ns = io_monotonic_ns();
		ssize_t got;

		if (now_ns >= until_ns ||
		    poll(&poll_fd, 1, (int)((until_ns - now_ns) / 1000000)) <=
			    0)
			return;
		got = read(fd, text + len, size - len);
		if (got <= 0)
			return;
		len += (size_t)got;
	}
}

/*
 * A question to a file system waits for its server, and only SIGKILL ends that:
 * so somebody else asks.
 */
static int ask(struct ctl_mount *mount)
{
	int fds[2];
	pid_t pid;

	mount->text = calloc(1, MOUNTSTATUS_MAX + 1);
	if (!mount->text)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		tell(mount->point, fds[1]);
		_exit(0);
	}
	(void)close(fds[1]);
	if (pid > 0) {
		hear(fds[0], mount->text, MOUNTSTATUS_MAX);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	(void)close(fds[0]);
	mountstatus_parse(mount->text, &mount->status);
	if (!mount->status.state[0])
		mount->status.state = "silent";
	return pid < 0 ? -EAGAIN : 0;
}

/* ---- all of them ---- */

static int add(struct ctl_mounts *mounts, const char *point)
{
	struct ctl_mount *more =
		reallocarray(mounts->list, mounts->nr + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	mounts->list = more;
	more[mounts->nr] = (struct ctl_mount){.point = strdup(point)};
	if (!more[mounts->nr].point)
		return -ENOMEM;
	return ask(&more[mounts->nr++]);
}

int ctl_mounts_find(struct ctl_mounts *ret)
{
	CLEANUP_FREE char *text = NULL;
	char *save = NULL, *line;
	size_t len;
	int r;

	*ret = (struct ctl_mounts){0};
	r = io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text,
			&len);
	if (r)
		return r;
	for (line = strtok_r(text, "\n", &save); line && !r;
	     line = strtok_r(NULL, "\n", &save)) {
		struct mountinfo mount;

		if (!mountinfo_parse(line, &mount) &&
		    !strcmp(mount.type, "fuse.mitosisfs"))
			r = add(ret, mount.point);
	}
	return r;
}

/* Nothing that comes from a mount may move a terminal's cursor. */
static void print_cell(FILE *out, int width, const char *text)
{
	char plain[CELL_MAX + 1];

	parse_plain(plain, text, strnlen(text, CELL_MAX));
	(void)fprintf(out, "%-*s ", width, plain[0] ? plain : "-");
}

static double mib_of(uint64_t pages)
{
	return (double)pages * PAGE_BYTES / MIB;
}

void ctl_mounts_print(const struct ctl_mounts *mounts, FILE *out)
{
	if (mounts->nr)
		(void)fprintf(out,
			      "%-24s %-28s %-8s %-8s %-7s %9s %9s %5s %s\n",
			      "MOUNT", "SOURCE", "STATE", "MODE", "TIER",
			      "HERE MIB", "OF", "USERS", "WHY COLD");
	for (size_t i = 0; i < mounts->nr; i++) {
		const struct mountstatus *status = &mounts->list[i].status;

		print_cell(out, 24, mounts->list[i].point);
		print_cell(out, 28, status->source);
		print_cell(out, 8, status->state);
		print_cell(out, 8, status->mode);
		print_cell(out, 7, status->tier);
		(void)fprintf(out, "%9.1f %9.1f %5lu ",
			      mib_of(status->pages_here),
			      mib_of(status->pages_present), status->users);
		print_cell(out, 0, status->why);
		(void)fputc('\n', out);
	}
}

static void put_word(struct json *json, const char *key, const char *word)
{
	if (word[0])
		json_string(json, key, word);
}

void ctl_mounts_put(const struct ctl_mounts *mounts, struct json *json)
{
	json_array(json, "mounts");
	for (size_t i = 0; i < mounts->nr; i++) {
		const struct mountstatus *status = &mounts->list[i].status;

		json_object(json, NULL);
		json_string(json, "mount", mounts->list[i].point);
		json_string(json, "state", status->state);
		put_word(json, "source", status->source);
		put_word(json, "mode", status->mode);
		put_word(json, "tier", status->tier);
		put_word(json, "tier_why", status->why);
		json_u64(json, "pages_present", status->pages_present);
		json_u64(json, "pages_here", status->pages_here);
		json_u64(json, "users", status->users);
		json_end(json);
	}
	json_end(json);
}

void ctl_mounts_done(struct ctl_mounts *mounts)
{
	for (size_t i = 0; i < mounts->nr; i++) {
		free(mounts->list[i].point);
		free(mounts->list[i].text);
	}
	free(mounts->list);
}
