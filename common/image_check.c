/* SPDX-License-Identifier: MIT */
/*
 * image_check.c - each check returns the promise that is broken, or NULL
 */
#include "common/image_check.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/packets.h"
#include "common/page.h"
#include "common/sockopt.h"

#define USER_END                                                               \
	(UINT64_C(1) << 47) /* Documentation/arch/x86/x86_64/mm.rst            \
			     */
#define VSYSCALL_START UINT64_C(0xffffffffff600000)
#define VSYSCALL_END   (VSYSCALL_START + PAGE_BYTES)

#define PROT_MASK     ((uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
#define VMA_FLAG_MASK ((uint32_t)IMAGE_VMA_FLAGS_ALL)
#define SOCKOPT_MASK  ((uint32_t)IMAGE_SOCK_ALL)

static bool ends_with_nul(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static const char *check_process(const struct image *image)
{
	if (image->pid < 1 || image->pid > IMAGE_TID_MAX ||
	    image->host_pid < 0 || image->host_pid > IMAGE_TID_MAX)
		return "a pid is out of range";
	if (!ends_with_nul(image->comm, sizeof(image->comm)))
		return "comm has no end";
	if (image->mm.start_brk > image->mm.brk)
		return "brk lies below its start";
	return NULL;
}

static const char *check_thread(const struct image_thread *thread)
{
	if (thread->tid < 1 || thread->tid > IMAGE_TID_MAX)
		return "a tid is out of range";
	if (!ends_with_nul(thread->comm, sizeof(thread->comm)))
		return "a thread's comm has no end";
	if (thread->restart_nr < -1)
		return "a restart number is out of range";
	if (thread->xstate_bytes && (thread->xstate_bytes < IMAGE_XSTATE_MIN ||
				     thread->xstate_bytes > IMAGE_XSTATE_MAX))
		return "an xstate has an impossible size";
	return NULL;
}

static int compare_tids(const void *a, const void *b)
{
	int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;

	return (left > right) - (left < right);
}

/* Fills @tids, which has room for all threads, and sorts it. */
static const char *check_threads(const struct image *image, int32_t *tids)
{
	if (!image->nr_threads || image->threads[0].tid != image->pid)
		return "the first thread is not the leader";
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		const char *why = check_thread(&image->threads[i]);

		if (why)
			return why;
		tids[i] = image->threads[i].tid;
	}
	qsort(tids, image->nr_threads, sizeof(*tids), compare_tids);
	for (uint32_t i = 1; i < image->nr_threads; i++)
		if (tids[i] == tids[i - 1])
			return "two threads have one tid";
	return NULL;
}

static const char *check_pending(const struct image *image, const int32_t *tids)
{
	for (uint32_t i = 0; i < image->nr_pending; i++) {
		const struct image_pending *pending = &image->pending[i];
		int32_t signo; /* the first member of siginfo_t */

		if (pending->tid &&
		    !bsearch(&pending->tid, tids, image->nr_threads,
			     sizeof(*tids), compare_tids))
			return "a pending signal has no thread";
		memcpy(&signo, pending->siginfo, sizeof(signo));
		if (signo < 1 || signo > IMAGE_SIGNALS)
			return "a pending signal has no such number";
	}
	return NULL;
}

static const char *check_vma(const struct image_vma *vma)
{
	uint64_t limit = USER_END;

	if (vma->kind < IMAGE_VMA_ANON || vma->kind > IMAGE_VMA_VSYSCALL)
		return "a VMA has no such kind";
	if (vma->prot & ~PROT_MASK || vma->flags & ~VMA_FLAG_MASK)
		return "a VMA has unknown bits";
	if (vma->kind == IMAGE_VMA_VSYSCALL) {
		if (vma->start != VSYSCALL_START)
			return "the vsyscall page is elsewhere";
		limit = VSYSCALL_END;
	}
	if (vma->start % PAGE_BYTES || vma->end % PAGE_BYTES)
		return "a VMA is not page aligned";
	if (vma->start >= vma->end || vma->end > limit)
		return "a VMA is empty or out of range";
	return NULL;
}

static const char *check_vmas(const struct image *image)
{
	uint64_t last_end = 0;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		const char *why = check_vma(vma);

		if (why)
			return why;
		if (vma->start < last_end)
			return "VMAs overlap or are out of order";
		last_end = vma->end;
	}
	return NULL;
}

static bool has_pages(const struct image_vma *vma)
{
	return vma->kind != IMAGE_VMA_VVAR && vma->kind != IMAGE_VMA_VSYSCALL &&
	       !(vma->flags & IMAGE_VMA_WIPEONFORK);
}

/*
 * Is [@page, @end) inside VMAs that have pages?  *@at is the first VMA to look
 * at, and moves on: runs and VMAs are both sorted, so all runs take one sweep.
 */
static bool run_is_mapped(const struct image *image, uint32_t *at,
			  uint64_t page, uint64_t end)
{
	for (; *at < image->nr_vmas; ++*at) {
		const struct image_vma *vma = &image->vmas[*at];

		if (page_of(vma->end) <= page)
			continue;
		if (page_of(vma->start) > page || !has_pages(vma))
			return false;
		if (page_of(vma->end) >= end)
			return true;
		page = page_of(vma->end);
	}
	return false;
}

static const char *check_run_list(const struct image *image,
				  const struct image_run *runs, uint32_t nr)
{
	uint64_t last_end = 0;
	uint32_t at = 0;

	for (uint32_t i = 0; i < nr; i++) {
		const struct image_run *run = &runs[i];
		uint64_t end = run->first_page + run->nr_pages;

		if (!run->nr_pages || end < run->first_page)
			return "a run is empty or wraps";
		if (i && run->first_page <= last_end)
			return "runs touch, overlap or are out of order";
		if (!run_is_mapped(image, &at, run->first_page, end))
			return "a run lies outside the VMAs that have pages";
		last_end = end;
	}
	return NULL;
}

static const char *check_runs(const struct image *image)
{
	const char *why = check_run_list(image, image->runs, image->nr_runs);

	return why ? why
		   : check_run_list(image, image->guards, image->nr_guards);
}

static const struct image_fd *fd_find(const struct image *image, int32_t fd)
{
	uint32_t low = 0, high = image->nr_fds;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->fds[middle].fd >= fd)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == image->nr_fds || image->fds[low].fd != fd)
		return NULL;
	return &image->fds[low];
}

/* What a loader may set: rows of the one table, in its order. */
static const char *check_options(const struct image_fd *fd)
{
	unsigned row = 0;

	for (uint32_t i = 0; i < fd->nr_options; i++) {
		const struct image_option *option = &fd->options[i];
		const struct sockopt *sockopt = sockopt_at(row++);

		while (sockopt && (sockopt->level != option->level ||
				   sockopt->name != option->name))
			sockopt = sockopt_at(row++);
		if (!sockopt)
			return "a socket's option is unknown or out of order";
		if (option->bytes != sockopt->bytes)
			return "a socket's option has another size";
		if (sockopt->usual_text &&
		    !ends_with_nul((const char *)option->value, option->bytes))
			return "a socket's option has no end";
	}
	return NULL;
}

static const char *check_fd(const struct image *image,
			    const struct image_fd *fd)
{
	const struct image_fd *first;
	const char *why;

	if (fd->kind < IMAGE_FD_FILE || fd->kind > IMAGE_FD_UNSUPPORTED)
		return "a descriptor has no such kind";
	if (fd->sockopts & ~SOCKOPT_MASK)
		return "a descriptor has unknown socket options";
	if (fd->kind == IMAGE_FD_PIPE && fd->type == IMAGE_FD_PACKETS &&
	    !packets_ok(fd->data, fd->data_bytes))
		return "a pipe's messages are broken";
	why = check_options(fd);
	if (why || fd->same_as == -1)
		return why;
	first = fd_find(image, fd->same_as);
	if (!first || first->fd >= fd->fd || first->same_as != -1)
		return "a duplicate does not name the lowest descriptor";
	if (first->kind != fd->kind)
		return "duplicates are of two kinds";
	return NULL;
}

static const char *check_fds(const struct image *image)
{
	int32_t last = -1;

	for (uint32_t i = 0; i < image->nr_fds; i++) {
		if (image->fds[i].fd <= last)
			return "descriptors are out of order";
		last = image->fds[i].fd;
	}
	for (uint32_t i = 0; i < image->nr_fds; i++) {
		const char *why = check_fd(image, &image->fds[i]);

		if (why)
			return why;
	}
	return NULL;
}

static const char *check_epolls(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_epolls; i++) {
		const struct image_epoll *epoll = &image->epolls[i];
		const struct image_fd *set = fd_find(image, epoll->epfd);

		if (!set || set->kind != IMAGE_FD_EPOLL)
			return "an epoll entry is in no epoll set";
		if (epoll->fd < 0 || !fd_find(image, epoll->through))
			return "an epoll entry watches no descriptor";
	}
	return NULL;
}

static const char *check_timers(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_timers; i++) {
		const struct image_timer *timer = &image->timers[i];
		int32_t how = timer->notify & ~SIGEV_THREAD_ID;

		if (timer->id < 0)
			return "a timer's id is out of range";
		if (timer->signo < 0 || timer->signo > IMAGE_SIGNALS)
			return "a timer has no such signal";
		if (how != SIGEV_SIGNAL && how != SIGEV_NONE &&
		    how != SIGEV_THREAD)
			return "a timer has no such notification";
	}
	return NULL;
}

/* Texts become file names. */
static const char *check_texts(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_texts; i++) {
		const char *name = image->texts[i].name;

		if (!name || !*name || strchr(name, '/') ||
		    !strcmp(name, ".") || !strcmp(name, ".."))
			return "a text's name is no file name";
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(name, image->texts[j].name))
				return "two texts have one name";
	}
	return NULL;
}

/* Mapped files are in the order of their first areas, as areas are. */
static const char *check_mapped(const struct image *image)
{
	uint64_t floor = 0;

	for (uint32_t i = 0; i < image->nr_mapped; i++) {
		const struct image_mapped *mapped = &image->mapped[i];
		const struct image_vma *vma =
			image_vma_at(image, mapped->raddr);

		if (!vma || vma->start != mapped->raddr || !vma->inode)
			return "a mapped file has no area";
		if (i && mapped->raddr <= floor)
			return "mapped files are out of order";
		if (mapped->size_bytes > INT64_MAX)
			return "a mapped file has an impossible size";
		if (mapped->mode & ~0777u ||
		    mapped->flags & ~(uint32_t)IMAGE_MAPPED_FLAGS_ALL)
			return "a mapped file has unknown bits";
		if (!image_path_ok(mapped->path))
			return "a mapped file has no path";
		floor = mapped->raddr;
	}
	return NULL;
}

static const char *check_aliases(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_aliases; i++) {
		if (image->aliases[i].mapped >= image->nr_mapped)
			return "an alias is of no mapped file";
		if (!image_path_ok(image->aliases[i].path))
			return "an alias has no path";
	}
	return NULL;
}

static const char *first_broken(const struct image *image, int32_t *tids)
{
	const char *why = check_process(image);

	if (!why)
		why = check_threads(image, tids);
	if (!why)
		why = check_pending(image, tids);
	if (!why)
		why = check_vmas(image);
	if (!why)
		why = check_runs(image);
	if (!why)
		why = check_fds(image);
	if (!why)
		why = check_epolls(image);
	if (!why)
		why = check_timers(image);
	if (!why)
		why = check_texts(image);
	if (!why)
		why = check_mapped(image);
	if (!why)
		why = check_aliases(image);
	return why;
}

int image_check(const struct image *image, const char **ret_why)
{
	CLEANUP_FREE int32_t *tids =
		calloc(image->nr_threads + 1u, sizeof(*tids));
	const char *why;

	if (!tids)
		return -ENOMEM;
	why = first_broken(image, tids);
	if (!why)
		return 0;
	if (ret_why)
		*ret_why = why;
	return -EPROTO;
}
