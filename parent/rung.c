/* SPDX-License-Identifier: MIT */
#include "parent/rung.h"

#include <signal.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"

static siginfo_t info_of(const struct image_pending *row)
{
	siginfo_t info;

	memcpy(&info, row->siginfo, sizeof(info));
	return info;
}

static bool is_same(const struct image_pending *a,
		    const struct image_pending *b)
{
	siginfo_t x = info_of(a), y = info_of(b);

	return a->tid == b->tid && x.si_signo == y.si_signo &&
	       x.si_code == y.si_code &&
	       (x.si_code != SI_TIMER || x.si_timerid == y.si_timerid);
}

static bool was_there(const struct pending *pending,
		      const struct image_pending *row)
{
	for (uint32_t i = 0; i < pending->nr; i++)
		if (is_same(&pending->signals[i], row))
			return true;
	return false;
}

/*
 * One that was read when it had rung has no time left, or, as a periodic one,
 * more than could have passed since.
 */
static bool had_rung(uint64_t left_ns, uint64_t interval_ns, uint64_t passed_ns)
{
	return !left_ns || (interval_ns && left_ns > passed_ns);
}

static bool timer_had_rung(const struct image *image, const siginfo_t *info,
			   uint64_t passed_ns)
{
	for (uint32_t i = 0; i < image->nr_timers; i++) {
		const struct image_timer *timer = &image->timers[i];

		if (timer->id == info->si_timerid)
			return had_rung(timer->value_ns, timer->interval_ns,
					passed_ns);
	}
	return false;
}

/* Of setitimer(2): the kernel itself sends their signals. */
static bool itimer_had_rung(const struct image *image, int signo,
			    uint64_t passed_ns)
{
	static const int signals[] = {SIGALRM, SIGVTALRM, SIGPROF};

	for (size_t i = 0; i < 3; i++)
		if (signals[i] == signo)
			return had_rung(image->itimers[i].value_us * 1000,
					image->itimers[i].interval_us * 1000,
					passed_ns);
	return false;
}

static bool is_missing(const struct image *image, const siginfo_t *info,
		       uint64_t passed_ns)
{
	if (info->si_code == SI_TIMER)
		return timer_had_rung(image, info, passed_ns);
	return info->si_code == SI_KERNEL &&
	       itimer_had_rung(image, info->si_signo, passed_ns);
}

static bool has_threads_timer(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_timers; i++)
		if (image_timer_is_of_thread(&image->timers[i]))
			return true;
	return false;
}

static int look_again(const struct seized *seized, const struct image *image,
		      struct pending *now)
{
	uint64_t set;
	int rc = pending_add(now, seized->pid, true, &set);

	if (rc || !has_threads_timer(image))
		return rc;
	for (uint32_t i = 0; rc == 0 && i < seized->nr; i++)
		rc = pending_add(now, seized->threads[i].tid, false, &set);
	return rc;
}

int rung_add(const struct seized *seized, const struct image *image,
	     uint64_t since_ns, struct pending *pending)
{
	CLEANUP(pending_free) struct pending now = {0};
	int rc = look_again(seized, image, &now);
	const uint64_t passed_ns = io_monotonic_ns() - since_ns;

	for (uint32_t i = 0; rc == 0 && i < now.nr; i++) {
		const struct image_pending *row = &now.signals[i];
		siginfo_t info = info_of(row);

		if (is_missing(image, &info, passed_ns) &&
		    !was_there(pending, row))
			rc = pending_take(pending, row);
	}
	return rc;
}
