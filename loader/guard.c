/* SPDX-License-Identifier: MIT */
#include "loader/guard.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include "common/page.h"
#include "loader/guard_call.h"
#include "loader/guard_drop.h"
#include "loader/guard_filter.h"
#include "loader/guard_remap.h"

struct guard {
	int listener;
	struct guard_options options;
	struct guard_window *windows;
	struct guard_stats stats;
	void *notif; /* as large as the kernel's, which may outgrow ours */
	size_t notif_bytes;
	struct seccomp_notif *waiting; /* received, not answered, in order */
	unsigned first, nr, max;
};

int guard_install(uint64_t cookie, bool exits)
{
	return guard_filter_install(cookie, exits);
}

static int check_windows(const struct guard_options *options)
{
	for (unsigned i = 0; i < options->nr_windows; i++) {
		const struct guard_window *w = &options->windows[i];

		if (w->start_bytes >= w->end_bytes ||
		    page_floor(w->start_bytes) != w->start_bytes ||
		    page_floor(w->end_bytes) != w->end_bytes)
			return -EINVAL;
		if (i && (w->inode < w[-1].inode ||
			  (w->inode == w[-1].inode &&
			   w->start_bytes < w[-1].end_bytes)))
			return -EINVAL;
	}
	return 0;
}

static int init(struct guard *guard, const struct guard_options *options)
{
	struct seccomp_notif_sizes sizes;
	size_t bytes = options->nr_windows * sizeof(*options->windows);

	guard->options = *options;
	guard->windows = malloc(bytes ? bytes : 1);
	if (!guard->windows)
		return -ENOMEM;
	if (bytes)
		memcpy(guard->windows, options->windows, bytes);
	guard->options.windows = guard->windows;
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
		return -errno;
	guard->notif_bytes = sizes.seccomp_notif;
	if (guard->notif_bytes < sizeof(struct seccomp_notif))
		guard->notif_bytes = sizeof(struct seccomp_notif);
	guard->notif = malloc(guard->notif_bytes);
	return guard->notif ? 0 : -ENOMEM;
}

int guard_open(int listener, const struct guard_options *options,
	       struct guard **ret)
{
	struct guard *guard;
	int r = check_windows(options);

	if (r)
		return r;
	guard = calloc(1, sizeof(*guard));
	if (!guard)
		return -ENOMEM;
	guard->listener = -1;
	r = init(guard, options);
	if (r) {
		guard_close(guard);
		return r;
	}
	guard->listener = listener;
	*ret = guard;
	return 0;
}

int guard_fd(const struct guard *guard)
{
	return guard->listener;
}

void guard_get_stats(const struct guard *guard, struct guard_stats *ret_stats)
{
	*ret_stats = guard->stats;
}

void guard_close(struct guard *guard)
{
	if (!guard)
		return;
	if (guard->listener >= 0)
		(void)close(guard->listener);
	free(guard->windows);
	free(guard->notif);
	free(guard->waiting);
	free(guard);
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static int make_room(struct guard *guard)
{
	unsigned max = guard->max ? 2 * guard->max : 16;
	void *bigger;

	if (guard->nr < guard->max)
		return 0;
	if (guard->first) {
		guard->nr -= guard->first;
		memmove(guard->waiting, guard->waiting + guard->first,
			guard->nr * sizeof(*guard->waiting));
		guard->first = 0;
		return 0;
	}
	bigger = realloc(guard->waiting, max * sizeof(*guard->waiting));
	if (!bigger)
		return -ENOMEM;
	guard->waiting = bigger;
	guard->max = max;
	return 0;
}

/*
 * Receive all that wait, before any is answered: from then on only a fatal
 * signal takes a thread out of its wait.
 */
static int receive(struct guard *guard)
{
	while (is_readable(guard->listener)) {
		int r = make_room(guard);

		if (r)
			return r;
		memset(guard->notif, 0, guard->notif_bytes);
		if (ioctl(guard->listener, SECCOMP_IOCTL_NOTIF_RECV,
			  guard->notif)) {
			/* ENOENT: the waiting thread was killed meanwhile. */
			if (errno == ENOENT || errno == EINTR)
				continue;
			return -errno;
		}
		memcpy(&guard->waiting[guard->nr++], guard->notif,
		       sizeof(struct seccomp_notif));
		guard->stats.calls++;
	}
	return 0;
}

static int answer(struct guard *guard, const struct seccomp_notif *notif)
{
	struct guard_call call = {
		.notif = *notif,
		.listener = guard->listener,
		.options = &guard->options,
		.stats = &guard->stats,
	};

	switch (guard_filter_which(&notif->data)) {
	case GUARD_FILTER_MADVISE:
		return guard_drop(&call);
	case GUARD_FILTER_MREMAP:
		return guard_remap(&call);
	case GUARD_FILTER_EXIT:
		if (guard->options.exiting)
			guard->options.exiting(guard->options.arg,
					       (pid_t)notif->pid);
		guard_call_continue(&call);
		return 0;
	default:
		guard_call_fail(&call, -EINVAL);
		return 0;
	}
}

int guard_serve(struct guard *guard)
{
	int r = receive(guard);

	while (!r && guard->first < guard->nr) {
		struct seccomp_notif notif = guard->waiting[guard->first++];

		r = answer(guard, &notif);
		if (guard->first == guard->nr)
			guard->first = guard->nr = 0;
		if (!r)
			r = receive(guard);
	}
	return r;
}
