/* SPDX-License-Identifier: MIT */
/*
 * mounts.c - mount(2), umount2(2), and the lines of /proc/self/mounts
 */
#include "loader/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "loader/blob/sys.h"

#define ROUNDS_MAX 64 /* detaching changes the list that is being read */

static long call_mount(const char *source, const char *target, const char *type,
		       uint64_t flags)
{
	const uint64_t args[6] = {(uintptr_t)source, (uintptr_t)target,
				  (uintptr_t)type, flags};

	return sys_call(SYS_mount, args);
}

/*
 * Mounts made here stay here; those made outside still come in.  In a chroot
 * "/" need not be a mount point (EINVAL); what is mounted over is /proc alone.
 */
static long keep_mounts_here(void)
{
	long error = call_mount("none", "/", NULL, MS_REC | MS_SLAVE);

	return error == -EINVAL ? call_mount("none", "/proc", NULL, MS_SLAVE)
				: error;
}

int mounts_make(const char **ret_what)
{
	long error = sys_call4(SYS_unshare, CLONE_NEWNS, 0, 0, 0);

	*ret_what = "a mount namespace of its own";
	if (!error)
		error = keep_mounts_here();
	if (error)
		return (int)error;
	*ret_what = "mounting the child's /proc";
	return (int)call_mount("proc", "/proc", "proc",
			       MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

/* "\040" and the like: what the list writes for blanks in a path. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') << 6 |
				       (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* Cut @line at the next blank; returns what follows, or its end. */
static char *next_field(char *line)
{
	char *blank = strchr(line, ' ');

	if (!blank)
		return line + strlen(line);
	*blank = '\0';
	return blank + 1;
}

/* "SOURCE TARGET TYPE OPTIONS 0 0" */
static int forget_line(char *line)
{
	char *target = next_field(line), *type = next_field(target);

	(void)next_field(type);
	if (strcmp(type, "fuse.mitosisfs") != 0 &&
	    strcmp(type, "mitosisfs") != 0)
		return 0;
	unescape(target);
	return sys_call4(SYS_umount2, (uintptr_t)target, MNT_DETACH, 0, 0) == 0;
}

/* Take the whole lines out of @room; returns how many bytes are left over. */
static size_t forget_lines(char *room, size_t len, int *nr)
{
	char *line = room, *end;

	while ((end = memchr(line, '\n', len - (size_t)(line - room)))) {
		*end = '\0';
		*nr += forget_line(line);
		line = end + 1;
	}
	len -= (size_t)(line - room);
	memmove(room, line, len);
	return len;
}

/* One walk over the list; returns how many were detached. */
static int forget_some(char *room, size_t size)
{
	long fd = sys_call4(SYS_openat, (uint64_t)AT_FDCWD,
			    (uintptr_t) "/proc/self/mounts",
			    O_RDONLY | O_CLOEXEC, 0);
	size_t len = 0;
	int nr = 0;
	long got = fd < 0 ? 0 : 1;

	while (got > 0) {
		got = sys_call4(SYS_read, (uint64_t)fd, (uintptr_t)(room + len),
				size - len, 0);
		if (got > 0)
			len = forget_lines(room, len + (size_t)got, &nr);
		if (len == size)
			len = 0;
	}
	if (fd >= 0)
		(void)sys_call4(SYS_close, (uint64_t)fd, 0, 0, 0);
	return nr;
}

void mounts_forget_images(char *room, size_t size)
{
	for (int round = 0; round < ROUNDS_MAX && forget_some(room, size);
	     round++)
		;
}
