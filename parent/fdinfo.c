/* SPDX-License-Identifier: MIT */
#include "parent/fdinfo.h"

#include <errno.h>
#include <stdlib.h>

#include "parent/text.h"

#define NS_PER_S UINT64_C(1000000000)

static struct fdinfo_watch *add_watch(struct fdinfo_watches *watches)
{
	if (watches->nr == watches->cap) {
		uint32_t cap = watches->cap ? watches->cap * 2 : 64;
		struct fdinfo_watch *items =
			realloc(watches->items, cap * sizeof(*items));

		if (!items)
			return NULL;
		watches->items = items;
		watches->cap = cap;
	}
	return &watches->items[watches->nr++];
}

/* "tfd: 5 events: 19 data: 7f  pos:0 ino:409f sdev:f" */
static int take_watch(int32_t epfd, struct text line,
		      struct fdinfo_watches *watches)
{
	struct fdinfo_watch watch = {.epoll.epfd = epfd};
	struct fdinfo_watch *added;
	struct text word;

	if (!text_take_i32(&line, &watch.epoll.fd) ||
	    !text_take(&line, "events:") ||
	    !text_take_u32(&line, 16, &watch.epoll.events) ||
	    !text_take(&line, "data:") ||
	    !text_take_number(&line, 16, UINT64_MAX, &watch.epoll.data))
		return -EPROTO;
	/* Since Linux 4.18; a position may be negative. */
	if (text_take(&line, "pos:") &&
	    (!text_take_word(&line, &word) || !text_take(&line, "ino:") ||
	     !text_take_number(&line, 16, UINT64_MAX, &watch.ino)))
		return -EPROTO;
	if (watches->nr == IMAGE_EPOLLS_MAX)
		return -E2BIG;
	added = add_watch(watches);
	if (!added)
		return -ENOMEM;
	*added = watch;
	return 0;
}

/* "(SECONDS, NANOSECONDS)" */
static bool take_timespec(struct text *line, uint64_t *ret_ns)
{
	uint64_t s, ns;

	if (!text_take(line, "(") ||
	    !text_take_number(line, 10, UINT64_MAX / NS_PER_S - 1, &s) ||
	    !text_take(line, ",") ||
	    !text_take_number(line, 10, NS_PER_S - 1, &ns) ||
	    !text_take(line, ")"))
		return false;
	*ret_ns = s * NS_PER_S + ns;
	return true;
}

/* A negative position (of /dev/mem, say) keeps its bits. */
static bool take_position(struct text *line, uint64_t *ret_pos)
{
	bool negative = text_take(line, "-");

	if (!text_take_number(line, 10, (uint64_t)INT64_MAX + 1, ret_pos))
		return false;
	if (negative)
		*ret_pos = 0 - *ret_pos;
	return true;
}

static bool take_timer_line(struct text *line, struct fdinfo *info)
{
	if (text_take(line, "clockid:")) {
		info->has |= FDINFO_TIMERFD;
		return text_take_i32(line, &info->clockid);
	}
	if (text_take(line, "ticks:"))
		return text_take_number(line, 10, UINT64_MAX, &info->value);
	if (text_take(line, "it_value:"))
		return take_timespec(line, &info->value_ns);
	if (text_take(line, "it_interval:"))
		return take_timespec(line, &info->interval_ns);
	return true;
}

/* Lines of no descriptor that is carried (inotify, pidfd) are passed over. */
static bool take_line(struct text *line, struct fdinfo *info)
{
	uint32_t number;

	if (text_take(line, "pos:"))
		return take_position(line, &info->pos_bytes);
	if (text_take(line, "flags:"))
		return text_take_u32(line, 8, &info->flags);
	if (text_take(line, "mnt_id:"))
		return text_take_number(line, 10, UINT64_MAX, &info->mnt_id);
	if (text_take(line, "ino:"))
		return text_take_number(line, 10, UINT64_MAX, &info->ino);
	if (text_take(line, "eventfd-count:")) {
		info->has |= FDINFO_EVENTFD;
		return text_take_number(line, 16, UINT64_MAX, &info->value);
	}
	if (text_take(line, "eventfd-id:")) {
		/* Linux 5.2; negative when the kernel had none to give. */
		if (!text_take_number(line, 10, INT32_MAX, &info->eventfd_id))
			info->eventfd_id = 0;
		return true;
	}
	if (text_take(line, "eventfd-semaphore:")) {
		if (!text_take_u32(line, 10, &number))
			return false;
		info->semaphore = number != 0;
		return true;
	}
	if (text_take(line, "sigmask:")) {
		info->has |= FDINFO_SIGNALFD;
		return text_take_number(line, 16, UINT64_MAX, &info->value);
	}
	return take_timer_line(line, info);
}

int fdinfo_parse(int32_t fd, const char *text, size_t len_bytes,
		 struct fdinfo *ret_info, struct fdinfo_watches *watches)
{
	struct text rest = text_of(text, len_bytes), line;
	struct fdinfo info = {0};
	bool any = false;
	int rc = 0;

	while (!rc && text_take_line(&rest, &line)) {
		if (text_take(&line, "tfd:")) {
			info.has |= FDINFO_EPOLL;
			rc = take_watch(fd, line, watches);
		} else if (!take_line(&line, &info)) {
			rc = -EPROTO;
		}
		any = true;
	}
	if (rc || !any)
		return rc ? rc : -EPROTO;
	*ret_info = info;
	return 0;
}

bool fdinfo_may_tick(const struct fdinfo *old, const struct fdinfo *now,
		     uint64_t passed_ns)
{
	if (!(now->has & FDINFO_TIMERFD) || now->value || now->value_ns)
		return false;
	if (old->value_ns)
		return passed_ns >= old->value_ns;
	/* It had run out and was read since: its next period has begun. */
	return now->interval_ns && old->interval_ns && old->value;
}
