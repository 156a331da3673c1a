/* SPDX-License-Identifier: MIT */
/*
 * image.c - the life of an image, and look-ups in its sorted tables
 */
#include "common/image.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/arena.h"

struct image *image_new(void)
{
	return calloc(1, sizeof(struct image));
}

const char *image_phase_name(enum image_phase phase)
{
	static const char *const names[IMAGE_PHASES] = {
		[IMAGE_PHASE_LOOK] = "look",
		[IMAGE_PHASE_STOP] = "stop",
		[IMAGE_PHASE_READ] = "read",
		[IMAGE_PHASE_FORK] = "fork",
		[IMAGE_PHASE_LET_GO] = "let_go",
		[IMAGE_PHASE_SETTLE] = "settle",
		[IMAGE_PHASE_SCAN] = "scan",
		[IMAGE_PHASE_FILES] = "files",
		[IMAGE_PHASE_ENCODE] = "encode",
	};

	return names[phase];
}

static void free_threads(struct image *image)
{
	for (uint32_t i = 0; image->threads && i < image->nr_threads; i++) {
		free(image->threads[i].cpus);
		free(image->threads[i].xstate);
	}
	free(image->threads);
}

static void free_vmas(struct image *image)
{
	for (uint32_t i = 0; image->vmas && i < image->nr_vmas; i++)
		free(image->vmas[i].name);
	free(image->vmas);
}

static void free_fds(struct image *image)
{
	for (uint32_t i = 0; image->fds && i < image->nr_fds; i++) {
		free(image->fds[i].path);
		free(image->fds[i].data);
		free(image->fds[i].options);
	}
	free(image->fds);
}

static void free_texts(struct image *image)
{
	for (uint32_t i = 0; image->texts && i < image->nr_texts; i++) {
		free(image->texts[i].name);
		free(image->texts[i].bytes);
	}
	free(image->texts);
}

static void free_mapped(struct image *image)
{
	for (uint32_t i = 0; image->mapped && i < image->nr_mapped; i++)
		free(image->mapped[i].path);
	free(image->mapped);
	for (uint32_t i = 0; image->aliases && i < image->nr_aliases; i++)
		free(image->aliases[i].path);
	free(image->aliases);
}

/* An image that was built field by field. */
static void free_fields(struct image *image)
{
	free_threads(image);
	free_vmas(image);
	free_fds(image);
	free_texts(image);
	free_mapped(image);
	free(image->boot_id);
	free(image->hostname);
	free(image->kernel);
	free(image->exe);
	free(image->cwd);
	free(image->root);
	free(image->groups);
	free(image->runs);
	free(image->guards);
	free(image->epolls);
	free(image->timers);
	free(image->pending);
}

void image_free(struct image *image)
{
	if (!image)
		return;
	if (image->arena)
		arena_free(image->arena);
	else
		free_fields(image);
	free(image);
}

const struct image_vma *image_vma_at(const struct image *image, uint64_t raddr)
{
	uint32_t low = 0, high = image->nr_vmas;

	/* The first VMA that ends after @raddr is in [low, high]. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->vmas[middle].end > raddr)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == image->nr_vmas || image->vmas[low].start > raddr)
		return NULL;
	return &image->vmas[low];
}

static uint64_t run_end(const struct image_run *run)
{
	return run->first_page + run->nr_pages;
}

static uint32_t first_after(const struct image_run *runs, uint32_t nr,
			    uint64_t page)
{
	uint32_t low = 0, high = nr;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (run_end(&runs[middle]) > page)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct image_run *image_run_after(const struct image *image,
					uint64_t page)
{
	uint32_t i = first_after(image->runs, image->nr_runs, page);

	return i == image->nr_runs ? NULL : &image->runs[i];
}

const struct image_run *image_guard_after(const struct image *image,
					  uint64_t page)
{
	uint32_t i = first_after(image->guards, image->nr_guards, page);

	return i == image->nr_guards ? NULL : &image->guards[i];
}

uint64_t image_present_pages(const struct image *image, uint64_t first_page,
			     uint64_t nr_pages)
{
	const struct image_run *run = image_run_after(image, first_page);
	const struct image_run *runs_end;
	uint64_t end_page = first_page + nr_pages, present = 0;

	if (!run)
		return 0;
	runs_end = image->runs + image->nr_runs;
	if (end_page < first_page)
		end_page = UINT64_MAX;
	for (; run < runs_end && run->first_page < end_page; run++) {
		uint64_t from = run->first_page, to = run_end(run);

		if (from < first_page)
			from = first_page;
		if (to > end_page)
			to = end_page;
		present += to - from;
	}
	return present;
}

const struct image_text *image_text(const struct image *image, const char *name)
{
	for (uint32_t i = 0; i < image->nr_texts; i++)
		if (!strcmp(image->texts[i].name, name))
			return &image->texts[i];
	return NULL;
}

static bool name_ok(const char *name, size_t len)
{
	return len && len <= IMAGE_NAME_MAX && !(len == 1 && name[0] == '.') &&
	       !(len == 2 && name[0] == '.' && name[1] == '.');
}

bool image_has_thread(const struct image *image, int32_t tid)
{
	for (uint32_t i = 0; i < image->nr_threads; i++)
		if (image->threads[i].tid == tid)
			return true;
	return false;
}

bool image_timer_is_of_thread(const struct image_timer *timer)
{
	return timer->notify & SIGEV_THREAD_ID;
}

bool image_path_ok(const char *path)
{
	if (!path || *path != '/')
		return false;
	while (*path) {
		size_t len = strcspn(++path, "/");

		if (!name_ok(path, len))
			return false;
		path += len;
	}
	return true;
}

bool image_vma_is_anonymous(const struct image_vma *vma)
{
	switch (vma->kind) {
	case IMAGE_VMA_ANON:
	case IMAGE_VMA_HEAP:
	case IMAGE_VMA_STACK:
		return true;
	case IMAGE_VMA_FILE:
	case IMAGE_VMA_SHARED:
	case IMAGE_VMA_VDSO:
	case IMAGE_VMA_VVAR:
	case IMAGE_VMA_VSYSCALL:
		break;
	}
	return false;
}

size_t image_path_stem(const char *path)
{
	static const char end[] = " (deleted)";
	const size_t len = strlen(path), tail = sizeof(end) - 1;

	return len > tail && !strcmp(path + len - tail, end) ? len - tail : len;
}

bool image_fd_is_deleted(const struct image_fd *fd)
{
	return fd->path[image_path_stem(fd->path)] != '\0';
}

bool image_fd_is_nameless(const struct image_fd *fd)
{
	return fd->kind == IMAGE_FD_MEMFD ||
	       (fd->kind == IMAGE_FD_FILE && image_fd_is_deleted(fd));
}

bool image_fd_is_mapped_at(const struct image_fd *fd,
			   const struct image_vma *vma)
{
	return vma->kind == IMAGE_VMA_SHARED &&
	       (vma->flags & IMAGE_VMA_SHARED_MAP) && vma->inode == fd->inode &&
	       ((vma->dev_major == major(fd->dev) &&
		 vma->dev_minor == minor(fd->dev)) ||
		!strcmp(vma->name, fd->path));
}
