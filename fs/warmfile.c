/* SPDX-License-Identifier: MIT */
#include "fs/warmfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "fs/memroom.h"
#include "fs/warmplan.h"

#define FILE_BYTES (1ull << 47) /* all user addresses */
#define UNIT_BYTES (WARMPLAN_UNIT_PAGES * PAGE_BYTES)

struct warmfile {
	struct warmplan plan;
	int super, mount; /* of the tmpfs */
	int write_fd, fd;
	char *maps; /* all windows lie in here */
	size_t maps_bytes;
	char **at; /* of each window */
};

/* What is in the file cannot be dropped, as what is in the page cache can. */
static int check_memory(const struct warmplan *plan, const struct image *image)
{
	uint64_t pages =
		plan->waste_pages +
		image_present_pages(image, 0, UINT64_MAX >> PAGE_SHIFT);
	uint64_t room = memroom_bytes();

	return pages < (room - room / 8) >> PAGE_SHIFT ? 0 : -ENOSPC;
}

static int configure(int super, const char *key, const char *value)
{
	return fsconfig(super, FSCONFIG_SET_STRING, key, value, 0) ? -errno : 0;
}

/*
 * No limit of its own: a child that reads a hole takes a page, and without room
 * for it would get SIGBUS.  huge=always is for writes of whole units; our maps
 * say themselves which pages they want.
 */
static int make_mount(struct warmfile *file)
{
	int r;

	file->super = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (file->super < 0)
		return -errno;
	(void)configure(file->super, "source", "mitosisfs-warm");
	(void)configure(file->super, "huge", "always"); /* or small pages */
	r = configure(file->super, "size", "0");
	if (!r)
		r = configure(file->super, "mode", "0700");
	if (!r && fsconfig(file->super, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		r = -errno;
	if (r)
		return r;
	file->mount = fsmount(file->super, FSMOUNT_CLOEXEC,
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				      MOUNT_ATTR_NOATIME);
	return file->mount < 0 ? -errno : 0;
}

static int make_file(struct warmfile *file)
{
	file->write_fd = openat(file->mount, "image",
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
	if (file->write_fd < 0 || ftruncate(file->write_fd, (off_t)FILE_BYTES))
		return -errno;
	file->fd = openat(file->mount, "image", O_RDONLY | O_CLOEXEC);
	return file->fd < 0 ? -errno : 0;
}

/*
 * Where each window lies, from the start of the maps: an address and its place
 * are the same within their 2 MiB.  Windows near to each other keep their
 * distance, so that small ones do not take 2 MiB of addresses each.
 */
static size_t lay_out(const struct warmplan *plan, size_t *places)
{
	uint64_t end = 0, last = 0; /* of the windows so far: place, address */

	for (uint32_t i = 0; i < plan->nr; i++) {
		uint64_t start = plan->windows[i].first_page << PAGE_SHIFT;

		if (i && start - last < UNIT_BYTES)
			end += start - last;
		else
			end = (end + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES +
			      start % UNIT_BYTES;
		places[i] = end;
		end += plan->windows[i].nr_pages << PAGE_SHIFT;
		last = start + (plan->windows[i].nr_pages << PAGE_SHIFT);
	}
	return end;
}

static int map_window(struct warmfile *file, uint32_t i, char *at)
{
	const struct warmplan_window *window = &file->plan.windows[i];
	size_t len = window->nr_pages << PAGE_SHIFT;

	at = mmap(at, len, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file->write_fd,
		  (off_t)(window->first_page << PAGE_SHIFT));
	if (at == MAP_FAILED)
		return -errno;
	(void)madvise(at, len, window->large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	file->at[i] = at;
	return 0;
}

static int map_windows(struct warmfile *file)
{
	CLEANUP_FREE size_t *places =
		calloc(file->plan.nr + 1u, sizeof(*places));
	char *start;
	int r = 0;

	file->at = calloc(file->plan.nr + 1u, sizeof(*file->at));
	if (!places || !file->at)
		return -ENOMEM;
	file->maps_bytes = lay_out(&file->plan, places) + UNIT_BYTES;
	start = mmap(NULL, file->maps_bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return -errno;
	file->maps = start;
	start += -(uintptr_t)start % UNIT_BYTES;
	for (uint32_t i = 0; i < file->plan.nr && !r; i++)
		r = map_window(file, i, start + places[i]);
	return r;
}

static void closep(struct warmfile **file)
{
	warmfile_close(*file);
}

int warmfile_open(const struct image *image, struct warmfile **ret)
{
	CLEANUP(closep) struct warmfile *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	file->super = file->mount = file->write_fd = file->fd = -1;
	r = warmplan_make(image, &file->plan);
	if (!r)
		r = check_memory(&file->plan, image);
	if (!r)
		r = make_mount(file);
	if (!r)
		r = make_file(file);
	if (!r)
		r = map_windows(file);
	if (r)
		return r;
	*ret = steal_ptr(&file);
	return 0;
}

int warmfile_fd(const struct warmfile *file)
{
	return file->fd;
}

void *warmfile_at(const struct warmfile *file, uint64_t first_page,
		  uint64_t nr_pages)
{
	const struct warmplan_window *window =
		warmplan_find(&file->plan, first_page);
	uint64_t skip;

	if (!window)
		return NULL;
	skip = first_page - window->first_page;
	if (nr_pages > window->nr_pages - skip)
		return NULL;
	return file->at[window - file->plan.windows] + (skip << PAGE_SHIFT);
}

/*
 * A run of the image lies in one window, always.  Until the memory for it is
 * taken touching it could be a SIGBUS.
 */
static int put_part(struct warmfile *file, uint64_t first_page,
		    uint64_t nr_pages, const char *buf)
{
	size_t len_bytes = nr_pages << PAGE_SHIFT;
	void *at = warmfile_at(file, first_page, nr_pages);

	if (!at)
		return -EFAULT;
	if (madvise(at, len_bytes, MADV_POPULATE_WRITE))
		return errno == EFAULT ? -ENOMEM : -errno;
	memcpy(at, buf, len_bytes);
	return 0;
}

/*
 * A huge page that one write fills need not be cleared before, as it must be
 * for a map: half of what filling it costs.
 */
static int put_unit(const struct warmfile *file, uint64_t first_page,
		    const char *buf)
{
	size_t done = 0;

	while (done < UNIT_BYTES) {
		ssize_t n =
			pwrite(file->write_fd, buf + done, UNIT_BYTES - done,
			       (off_t)((first_page << PAGE_SHIFT) + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n && errno != ENOSPC ? -errno : -ENOMEM;
		done += (size_t)n;
	}
	return 0;
}

int warmfile_put(struct warmfile *file, uint64_t first_page, uint64_t nr_pages,
		 const void *buf)
{
	const char *from = buf;
	int r = 0;

	while (nr_pages && !r) {
		uint64_t now =
			WARMPLAN_UNIT_PAGES - first_page % WARMPLAN_UNIT_PAGES;

		if (now > nr_pages)
			now = nr_pages;
		r = now == WARMPLAN_UNIT_PAGES
			    ? put_unit(file, first_page, from)
			    : put_part(file, first_page, now, from);
		first_page += now;
		nr_pages -= now;
		from += now << PAGE_SHIFT;
	}
	return r;
}

/*
 * A map that has been made from a writable descriptor could be made writable
 * again: it counts as a writer, and is made anew.
 */
static int map_read_only(struct warmfile *file)
{
	for (uint32_t i = 0; i < file->plan.nr; i++) {
		const struct warmplan_window *window = &file->plan.windows[i];

		if (mmap(file->at[i], window->nr_pages << PAGE_SHIFT, PROT_READ,
			 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file->fd,
			 (off_t)(window->first_page << PAGE_SHIFT)) ==
		    MAP_FAILED)
			return -errno;
	}
	return 0;
}

/* A child that reads a hole shall take a page of it, not a unit. */
static int make_read_only(const struct warmfile *file)
{
	CLEANUP_CLOSE int super =
		fspick(file->mount, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (super < 0)
		return -errno;
	(void)configure(super, "huge", "advise");
	if (fsconfig(super, FSCONFIG_SET_FLAG, "ro", NULL, 0) ||
	    fsconfig(super, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		return -errno;
	return 0;
}

int warmfile_seal(struct warmfile *file)
{
	int r = map_read_only(file);

	if (r)
		return r;
	(void)close(steal_fd(&file->write_fd));
	return make_read_only(file);
}

uint64_t warmfile_bytes(const struct warmfile *file)
{
	struct stat st;

	return fstat(file->fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

uint64_t warmfile_waste_bytes(const struct warmfile *file)
{
	return file->plan.waste_pages << PAGE_SHIFT;
}

void warmfile_close(struct warmfile *file)
{
	if (!file)
		return;
	if (file->maps)
		(void)munmap(file->maps, file->maps_bytes);
	cleanup_close(&file->fd);
	cleanup_close(&file->write_fd);
	cleanup_close(&file->mount);
	cleanup_close(&file->super);
	warmplan_done(&file->plan);
	free(file->at);
	free(file);
}
