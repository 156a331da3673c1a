/* SPDX-License-Identifier: MIT */
#include "parent/forkless.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/areas.h"
#include "parent/vmas.h"

#define MAPS_BYTES_MAX (256ul << 20)

/* What the kernel says now: asked area by area, or all of maps at once. */
struct now {
	pid_t pid;
	int maps_fd;
	struct image_vma *all; /* on kernels that cannot be asked */
	uint32_t nr_all;
};

static void now_free(struct now *now)
{
	if (now->maps_fd >= 0)
		(void)close(now->maps_fd);
	vmas_free(now->all, now->nr_all);
}

static int read_all(struct now *now)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", now->pid);
	rc = io_slurp_at(AT_FDCWD, path, MAPS_BYTES_MAX, &text, &len);
	return rc ? rc : vmas_parse(text, len, &now->all, &now->nr_all, NULL);
}

static int find_in_all(struct now *now, uint64_t raddr, struct image_vma *ret)
{
	int rc = now->all ? 0 : read_all(now);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < now->nr_all; i++)
		if (now->all[i].start <= raddr && raddr < now->all[i].end) {
			*ret = now->all[i];
			return 0;
		}
	return -ENOENT;
}

static bool is_same(const struct image_vma *a, const struct image_vma *b)
{
	return a->start == b->start && a->end == b->end && a->prot == b->prot &&
	       a->inode == b->inode && a->offset_bytes == b->offset_bytes;
}

/* 1 when @vma is there still, 0 when not, -errno. */
static int is_there(struct now *now, const struct image_vma *vma)
{
	struct image_vma found;
	int rc = areas_at(now->maps_fd, vma->start, &found);

	if (rc == -ENOTTY)
		rc = find_in_all(now, vma->start, &found);
	if (rc == -ENOENT)
		return 0;
	return rc ? rc : is_same(vma, &found);
}

int forkless_list(pid_t pid, const struct image_vma *vmas, uint32_t nr,
		  struct graft_area **ret_areas, uint32_t *ret_nr)
{
	CLEANUP(now_free) struct now now = {.pid = pid, .maps_fd = -1};
	CLEANUP_FREE struct graft_area *areas = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < nr; i++) {
		int there;

		if (!(vmas[i].flags & IMAGE_VMA_DONTFORK))
			continue;
		if (!areas) {
			areas = calloc(nr, sizeof(*areas));
			now.maps_fd = areas_open(pid);
		}
		if (!areas || now.maps_fd < 0)
			return areas ? now.maps_fd : -ENOMEM;
		there = is_there(&now, &vmas[i]);
		if (there < 0)
			return there;
		if (there)
			areas[count++] = (struct graft_area){
				vmas[i].start, vmas[i].end - vmas[i].start};
	}
	*ret_areas = steal_ptr(&areas);
	*ret_nr = count;
	return 0;
}

uint64_t forkless_pages(pid_t pid)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (io_slurp_at(AT_FDCWD, path, 4096, &text, &len))
		return 0;
	return strtoull(text, NULL, 10);
}
