/* SPDX-License-Identifier: MIT */
#include "parent/runs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/pagescan.h"
#include "parent/pagemap.h"
#include "parent/runlist.h"
#include "parent/shared.h"

/*
 * A library is mapped in four or five pieces: ask for its size once.  The name
 * counts, too: files of two btrfs subvolumes may have one number there.
 */
struct file_size {
	const char *name;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint64_t bytes;
};

struct scan {
	const struct runs_origin *origin;
	int pagemap_fd;
	struct runlist list, guards;
	uint32_t shared_at; /* the first shared run that may matter still */
	struct file_size last_file;
};

static void cleanup_scan(struct scan *scan)
{
	runlist_free(&scan->list);
	runlist_free(&scan->guards);
	cleanup_close(&scan->pagemap_fd);
}

/*
 * The size of the file behind @vma, or UINT64_MAX when nobody tells: then the
 * whole area counts, and a page past the end will read as an error, not wrong.
 */
static uint64_t ask_file_bytes(pid_t twin, const struct image_vma *vma)
{
	char path[80];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", twin,
		       (unsigned long long)vma->start,
		       (unsigned long long)vma->end);
	if (!stat(path, &st))
		return S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX;
	if (!stat(vma->name, &st) && st.st_ino == vma->inode &&
	    major(st.st_dev) == vma->dev_major &&
	    minor(st.st_dev) == vma->dev_minor)
		return (uint64_t)st.st_size;
	return UINT64_MAX;
}

static uint64_t file_bytes(struct scan *scan, const struct image_vma *vma)
{
	struct file_size *last = &scan->last_file;

	if (!last->name || last->inode != vma->inode ||
	    last->dev_major != vma->dev_major ||
	    last->dev_minor != vma->dev_minor || strcmp(last->name, vma->name))
		*last = (struct file_size){
			vma->name, vma->inode, vma->dev_major, vma->dev_minor,
			ask_file_bytes(scan->origin->twin, vma)};
	return last->bytes;
}

/* [@first, @first + @nr) but for the guard regions there, which are noted. */
static int add_unguarded(struct scan *scan, uint64_t first, uint64_t nr)
{
	uint32_t i = scan->guards.nr;
	uint64_t end = first + nr;
	int rc = pagemap_scan(scan->pagemap_fd, first << PAGE_SHIFT,
			      end << PAGE_SHIFT, NULL, &scan->guards);

	/* The first may have been joined with one that ends where this starts.
	 */
	for (i = i ? i - 1 : 0; !rc && i < scan->guards.nr; i++) {
		const struct image_run *guard = &scan->guards.runs[i];

		if (guard->first_page > first)
			rc = runlist_add(&scan->list, first,
					 guard->first_page - first);
		if (guard->first_page + guard->nr_pages > first)
			first = guard->first_page + guard->nr_pages;
	}
	return rc ? rc : runlist_add(&scan->list, first, end - first);
}

/* Pages past the page that holds the file's last byte do not exist. */
static int add_file(struct scan *scan, const struct image_vma *vma)
{
	uint64_t bytes = file_bytes(scan, vma);
	uint64_t pages = page_of(vma->end - vma->start), there;

	if (bytes <= vma->offset_bytes)
		return 0;
	there = page_of(bytes - vma->offset_bytes - 1) + 1;
	return add_unguarded(scan, page_of(vma->start),
			     there < pages ? there : pages);
}

static int add_whole(struct scan *scan, const struct image_vma *vma)
{
	return runlist_add(&scan->list, page_of(vma->start),
			   page_of(vma->end - vma->start));
}

/* The part of the shared runs inside @vma; *@ret_any says if there was one. */
static int add_shared(struct scan *scan, const struct image_vma *vma,
		      bool *ret_any)
{
	const struct runs_origin *origin = scan->origin;
	uint64_t start = page_of(vma->start), end = page_of(vma->end);
	int rc = 0;

	*ret_any = false;
	for (; !rc && scan->shared_at < origin->nr_shared_runs;
	     scan->shared_at++) {
		const struct image_run *run =
			&origin->shared_runs[scan->shared_at];
		uint64_t first = run->first_page;
		uint64_t last = first + run->nr_pages;

		if (last <= start)
			continue;
		if (first >= end)
			break;
		*ret_any = true;
		first = first < start ? start : first;
		rc = runlist_add(&scan->list, first,
				 (last < end ? last : end) - first);
		if (last > end)
			break;
	}
	return rc;
}

/*
 * Huge pages of a private map that came after the areas were listed are not in
 * the copy: then the twin has them, for as long as nobody takes them from it.
 */
static int add_copied(struct scan *scan, const struct image_vma *vma)
{
	bool any;
	int rc = add_shared(scan, vma, &any);

	if (rc || any || vma->kind == IMAGE_VMA_SHARED)
		return rc;
	return pagemap_scan(scan->pagemap_fd, vma->start, vma->end, &scan->list,
			    NULL);
}

static bool is_scanned(const struct image_vma *vma)
{
	return image_vma_is_anonymous(vma) && !shared_wants(vma) &&
	       !(vma->flags & IMAGE_VMA_WIPEONFORK);
}

/*
 * Ask for touching anonymous areas in one go; in a gap there may be memory that
 * is not the target's.  *@ret_taken is how many areas that were.
 */
static int add_scanned(struct scan *scan, uint32_t at, uint32_t *ret_taken)
{
	const struct image_vma *vmas = scan->origin->vmas;
	uint32_t i = at + 1;

	while (i < scan->origin->nr_vmas && is_scanned(&vmas[i]) &&
	       vmas[i - 1].end == vmas[i].start)
		i++;
	*ret_taken = i - at;
	return pagemap_scan(scan->pagemap_fd, vmas[at].start, vmas[i - 1].end,
			    &scan->list, &scan->guards);
}

static int add_other(struct scan *scan, const struct image_vma *vma)
{
	if (vma->flags & IMAGE_VMA_WIPEONFORK)
		return 0;
	if (shared_wants(vma))
		return add_copied(scan, vma);
	if (vma->kind == IMAGE_VMA_VDSO)
		return add_whole(scan, vma);
	return vma->kind == IMAGE_VMA_FILE ? add_file(scan, vma) : 0;
}

int runs_scan(const struct runs_origin *origin, struct runs_found *ret_found)
{
	CLEANUP(cleanup_scan)
	struct scan scan = {.origin = origin,
			    .pagemap_fd = pagescan_open(origin->twin)};
	uint32_t i = 0, taken;
	int rc = scan.pagemap_fd < 0 ? scan.pagemap_fd : 0;

	for (; !rc && i < origin->nr_vmas; i += taken) {
		taken = 1;
		rc = is_scanned(&origin->vmas[i])
			     ? add_scanned(&scan, i, &taken)
			     : add_other(&scan, &origin->vmas[i]);
	}
	if (rc)
		return rc;
	*ret_found = (struct runs_found){
		.nr_runs = scan.list.nr,
		.nr_guards = scan.guards.nr,
		.runs = steal_ptr(&scan.list.runs),
		.guards = steal_ptr(&scan.guards.runs),
	};
	return 0;
}
