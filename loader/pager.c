/* SPDX-License-Identifier: MIT */
#include "loader/pager.h"

#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "loader/pager_mm.h"
#include "loader/pager_space.h"

#define BATCH_PAGES 16
#define BATCH_MAX   512
#define RETRY_NS    50000
#define EVENTS                                                                 \
	(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |                  \
	 UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP)

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

struct fault {
	struct pager_mm *mm;
	uint64_t addr;
	bool writes;
};

struct pager {
	int epoll_fd;
	int retry_fd; /* a timer: an event was read, its thread not yet on */
	struct pager_source source;
	struct pager_area *areas;
	struct pager_mm **mms; /* [0] is the child, until it is gone */
	unsigned nr_mms, max_mms;
	struct fault *faults; /* read, not served, in order */
	unsigned nr_faults, max_faults;
};

/* ---- opening ---- */

static int new_userfaultfd(void)
{
	int flags = O_CLOEXEC | O_NONBLOCK;
	int device CLEANUP_CLOSE = -1;
	int fd = (int)syscall(SYS_userfaultfd, flags);

	if (fd >= 0 || errno != EPERM)
		return fd < 0 ? -errno : fd;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -EPERM;
	fd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
	return fd < 0 ? -errno : fd;
}

int pager_userfaultfd(void)
{
	struct uffdio_api api = {.api = UFFD_API, .features = EVENTS};
	int fd CLEANUP_CLOSE = new_userfaultfd();

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_API, &api))
		return -errno;
	return steal_fd(&fd);
}

static int watch(struct pager *pager, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(pager->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno
								     : 0;
}

/* Room for one more in a list of @bytes each. */
static int make_room(void *list, unsigned nr, unsigned *max, size_t bytes)
{
	unsigned more = *max ? 2 * *max : 16;
	void *bigger;

	if (nr < *max)
		return 0;
	bigger = realloc(*(void **)list, more * bytes);
	if (!bigger)
		return -ENOMEM;
	*(void **)list = bigger;
	*max = more;
	return 0;
}

/* Take @uffd and @space in; they stay the caller's on failure. */
static int add_mm(struct pager *pager, int uffd, struct pager_space *space)
{
	struct pager_mm *mm;
	int r = make_room(&pager->mms, pager->nr_mms, &pager->max_mms,
			  sizeof(struct pager_mm *));

	if (r)
		return r;
	mm = pager_mm_new(&pager->source, uffd, space);
	if (!mm)
		return -ENOMEM;
	r = watch(pager, uffd, mm);
	if (r) {
		free(mm);
		return r;
	}
	pager->mms[pager->nr_mms++] = mm;
	return 0;
}

static int init(struct pager *pager, const struct pager_options *options)
{
	size_t bytes = options->nr_areas * sizeof(*options->areas);
	struct pager_options *o = &pager->source.options;

	*o = *options;
	if (!o->batch_pages)
		o->batch_pages = BATCH_PAGES;
	if (o->batch_pages > BATCH_MAX)
		o->batch_pages = BATCH_MAX;
	pager->areas = malloc(bytes ? bytes : 1);
	pager->source.buffer =
		aligned_alloc(PAGE_BYTES, o->batch_pages * PAGE_BYTES);
	pager->source.zeros = calloc(o->batch_pages, PAGE_BYTES);
	if (!pager->areas || !pager->source.buffer || !pager->source.zeros)
		return -ENOMEM;
	if (bytes)
		memcpy(pager->areas, options->areas, bytes);
	o->areas = pager->areas;
	pager->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pager->retry_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pager->epoll_fd < 0 || pager->retry_fd < 0)
		return -errno;
	return watch(pager, pager->retry_fd, NULL);
}

int pager_open(int uffd, const struct pager_options *options,
	       struct pager **ret)
{
	struct pager *pager = calloc(1, sizeof(*pager));
	struct pager_space *space = NULL;
	int r;

	if (!pager)
		return -ENOMEM;
	pager->epoll_fd = pager->retry_fd = -1;
	r = init(pager, options);
	if (!r)
		r = pager_space_new(&pager->source.options, &space);
	if (!r)
		r = add_mm(pager, uffd, space);
	if (r) {
		pager_space_free(space);
		pager_close(pager);
		return r;
	}
	*ret = pager;
	return 0;
}

int pager_fd(const struct pager *pager)
{
	return pager->epoll_fd;
}

void pager_get_stats(const struct pager *pager, struct pager_stats *ret_stats)
{
	*ret_stats = pager->source.stats;
}

void pager_close(struct pager *pager)
{
	if (!pager)
		return;
	for (unsigned i = 0; i < pager->nr_mms; i++)
		pager_mm_free(pager->mms[i]);
	cleanup_close(&pager->epoll_fd);
	cleanup_close(&pager->retry_fd);
	free(pager->mms);
	free(pager->faults);
	free(pager->source.buffer);
	free(pager->source.zeros);
	free(pager->areas);
	free(pager);
}

/* ---- what the kernel tells ---- */

static int on_fork(struct pager *pager, struct pager_mm *parent, int uffd)
{
	struct pager_space *space = pager_space_copy(parent->space);
	int r = space ? add_mm(pager, uffd, space) : -ENOMEM;

	pager->source.stats.forks++;
	if (r) {
		pager_space_free(space);
		(void)close(uffd);
		return r;
	}
	/* Nobody tells of an end: look when there may be one more. */
	for (unsigned i = 0; i < pager->nr_mms; i++)
		pager_mm_probe(pager->mms[i]);
	return 0;
}

static int on_message(struct pager *pager, struct pager_mm *mm,
		      const struct uffd_msg *msg)
{
	int r;

	if (msg->event != UFFD_EVENT_PAGEFAULT) {
		pager->source.stats.events++;
		return msg->event == UFFD_EVENT_FORK
			       ? on_fork(pager, mm, (int)msg->arg.fork.ufd)
			       : pager_mm_apply(mm, msg);
	}
	r = make_room(&pager->faults, pager->nr_faults, &pager->max_faults,
		      sizeof(struct fault));
	if (r)
		return r;
	pager->source.stats.faults++;
	pager->faults[pager->nr_faults++] = (struct fault){
		.mm = mm,
		.addr = page_floor(msg->arg.pagefault.address),
		.writes = msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
	};
	return 0;
}

/* Read until nothing is left: the kernel gives faults first, events last. */
static int read_messages(struct pager *pager, struct pager_mm *mm)
{
	struct uffd_msg msgs[32];

	for (;;) {
		ssize_t n = read(mm->uffd, msgs, sizeof(msgs));
		int r = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (ssize_t i = 0; !r && i < n / (ssize_t)sizeof(msgs[0]); i++)
			r = on_message(pager, mm, &msgs[i]);
		if (r)
			return r;
	}
}

static int read_all(struct pager *pager)
{
	struct epoll_event events[16];
	int n;

	do {
		n = epoll_wait(pager->epoll_fd, events, 16, 0);
		for (int i = 0; i < n; i++) {
			uint64_t expirations;
			int r = 0;

			if (events[i].data.ptr)
				r = read_messages(pager, events[i].data.ptr);
			else if (read(pager->retry_fd, &expirations, 8) < 0)
				r = errno == EAGAIN ? 0 : -errno;
			if (r)
				return r;
		}
	} while (n == 16);
	return n < 0 && errno != EINTR ? -errno : 0;
}

/* ---- serving ---- */

/* Give up what no process has any more, and what it still asked for. */
static void bury(struct pager *pager)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < pager->nr_faults; i++)
		if (!pager->faults[i].mm->is_gone)
			pager->faults[kept++] = pager->faults[i];
	pager->nr_faults = kept;
	kept = 0;
	for (unsigned i = 0; i < pager->nr_mms; i++) {
		if (pager->mms[i]->is_gone)
			pager_mm_free(pager->mms[i]);
		else
			pager->mms[kept++] = pager->mms[i];
	}
	pager->nr_mms = kept;
}

/*
 * One pass over the faults, reading what comes in between: a file must not be
 * read while a process waits for its event.  *@ret_served counts those done;
 * the others met a change that is not over.
 */
static int serve_faults(struct pager *pager, unsigned *ret_served)
{
	unsigned kept = 0, i = 0;
	int r = 0;

	*ret_served = 0;
	for (; !r && i < pager->nr_faults; i++) {
		struct fault fault = pager->faults[i];

		r = pager_mm_serve(fault.mm, fault.addr, fault.writes);
		if (r == -EAGAIN) {
			pager->source.stats.retries++;
			pager->faults[kept++] = fault;
			r = 0;
		} else {
			++*ret_served;
		}
		if (!r)
			r = read_all(pager);
	}
	memmove(pager->faults + kept, pager->faults + i,
		(pager->nr_faults - i) * sizeof(*pager->faults));
	pager->nr_faults -= i - kept;
	return r;
}

static int arm_retry(struct pager *pager)
{
	const struct itimerspec soon = {.it_value.tv_nsec = RETRY_NS};

	return timerfd_settime(pager->retry_fd, 0, &soon, NULL) ? -errno : 0;
}

int pager_serve(struct pager *pager)
{
	unsigned served = 1;
	int r = read_all(pager);

	while (!r && pager->nr_faults && served)
		r = serve_faults(pager, &served);
	bury(pager);
	if (!r && pager->nr_faults)
		r = arm_retry(pager);
	return r;
}

int pager_push(struct pager *pager, bool *ret_more)
{
	struct pager_stats *stats = &pager->source.stats;
	uint64_t before, addr;
	int r = pager_serve(pager);

	*ret_more = true;
	if (r || pager->nr_faults)
		return r;
	addr = pager->nr_mms ? pager_space_next(pager->mms[0]->space) : 0;
	*ret_more = addr;
	if (!addr)
		return 0;
	before = stats->copied_pages;
	r = pager_mm_serve(pager->mms[0], addr, false);
	stats->pushed_pages += stats->copied_pages - before;
	return r == -EAGAIN ? 0 : r;
}

static void drop_first(struct pager *pager)
{
	pager_mm_free(pager->mms[0]);
	pager->nr_mms--;
	memmove(pager->mms, pager->mms + 1,
		pager->nr_mms * sizeof(*pager->mms));
}

int pager_let_go_some(struct pager *pager, bool *ret_more)
{
	bool more = true;
	int r = 0;

	if (pager->nr_mms)
		pager_mm_probe(pager->mms[0]);
	bury(pager);
	if (pager->nr_mms)
		r = pager_push(pager, &more);
	if (!r && !more && pager->nr_mms)
		drop_first(pager);
	*ret_more = pager->nr_mms;
	return r;
}

int pager_let_go(struct pager *pager)
{
	bool more = true;
	int r = pager_serve(pager);

	while (!r && more) {
		r = pager_let_go_some(pager, &more);
		if (!r && pager->nr_faults) /* a change that is not over */
			(void)poll(NULL, 0, 1);
	}
	return r;
}
