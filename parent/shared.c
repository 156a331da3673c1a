/* SPDX-License-Identifier: MIT */
#include "parent/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "common/pagescan.h"
#include "parent/areas.h"
#include "parent/pagemap.h"
#include "parent/runlist.h"
#include "parent/vmas.h"

#define BOUNCE_BYTES (256u << 10)

/* One area to copy; huge ones of private maps are kept from smaps. */
struct area {
	uint64_t start, end, offset_bytes;
	bool is_private;
};

struct shared {
	pid_t pid;
	int mem_fd; /* borrowed */
	uint64_t max_bytes;
	int maps_fd, pagemap_fd, memfd;
	uint64_t memfd_bytes;
	void *bounce;	    /* BOUNCE_BYTES, for what no file has */
	struct area *areas; /* by address */
	uint32_t nr_areas;
	struct area *huge; /* private maps of huge pages, by address */
	uint32_t nr_huge;
};

bool shared_wants(const struct image_vma *vma)
{
	return vma->kind == IMAGE_VMA_SHARED ||
	       (vma->flags & IMAGE_VMA_HUGETLB);
}

void shared_free(struct shared *shared)
{
	if (!shared)
		return;
	cleanup_close(&shared->maps_fd);
	cleanup_close(&shared->pagemap_fd);
	cleanup_close(&shared->memfd);
	free(shared->areas);
	free(shared->huge);
	free(shared->bounce);
	free(shared);
}

static void cleanup_shared(struct shared **shared)
{
	shared_free(*shared);
}

static struct area area_of(const struct image_vma *vma)
{
	return (struct area){vma->start, vma->end, vma->offset_bytes,
			     !(vma->flags & IMAGE_VMA_SHARED_MAP)};
}

static int keep_huge(struct shared *shared, const struct image_vma *vmas,
		     uint32_t nr)
{
	shared->huge = calloc(nr + 1, sizeof(*shared->huge));
	if (!shared->huge)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++)
		if (shared_wants(&vmas[i]) &&
		    !(vmas[i].flags & IMAGE_VMA_SHARED_MAP))
			shared->huge[shared->nr_huge++] = area_of(&vmas[i]);
	return 0;
}

/* Ask again which areas there are, and merge in the huge ones. */
static int list_areas(struct shared *shared)
{
	struct image_vma *vmas = NULL;
	uint32_t nr, h = 0, to = 0;
	int rc = areas_list(shared->maps_fd, &vmas, &nr);

	if (rc)
		return rc;
	free(shared->areas);
	shared->areas = calloc(nr + shared->nr_huge + 1, sizeof(struct area));
	if (!shared->areas) {
		vmas_free(vmas, nr);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < nr; i++) {
		while (h < shared->nr_huge &&
		       shared->huge[h].start < vmas[i].start)
			shared->areas[to++] = shared->huge[h++];
		shared->areas[to++] = area_of(&vmas[i]);
	}
	while (h < shared->nr_huge)
		shared->areas[to++] = shared->huge[h++];
	shared->nr_areas = to;
	vmas_free(vmas, nr);
	return 0;
}

/* The object behind an area; -errno without the right to open it so. */
static int open_object(const struct shared *shared, const struct area *area)
{
	char path[80];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx",
		       shared->pid, (unsigned long long)area->start,
		       (unsigned long long)area->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/*
 * Add the pages of @area for which the object behind @fd has data.
 *
 * Holes cost nothing here, while touching them in memory would allocate them.
 * An object that cannot tell holes is all data, up to its end.
 */
static int find_data(const struct area *area, int fd, struct runlist *runs)
{
	uint64_t from = area->offset_bytes;
	uint64_t to = from + (area->end - area->start);
	uint64_t next = page_of(area->start); /* not yet listed */
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size < to)
		to = (uint64_t)st.st_size;
	while (!rc && from < to) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		uint64_t first, last;

		if (data < 0 && errno == ENXIO)
			break;
		first = data < 0 ? from : (uint64_t)data;
		last = hole < 0 || (uint64_t)hole > to ? to : (uint64_t)hole;
		if (first >= last)
			break;
		from = last;
		first = page_of(area->start + first - area->offset_bytes);
		last = page_of(
			page_ceil(area->start + last - area->offset_bytes));
		if (first < next)
			first = next;
		if (first < last)
			rc = runlist_add(runs, first, last - first);
		next = last > next ? last : next;
	}
	return rc;
}

static int find_area(struct shared *shared, const struct area *area,
		     struct runlist *runs)
{
	CLEANUP_CLOSE int fd = -1;

	if (area->is_private)
		return pagemap_scan(shared->pagemap_fd, area->start, area->end,
				    runs, NULL);
	fd = open_object(shared, area);
	/* Not allowed to ask for holes: everything. */
	if (fd < 0)
		return runlist_add(runs, page_of(area->start),
				   page_of(area->end - area->start));
	return find_data(area, fd, runs);
}

static int find_all(struct shared *shared, struct runlist *runs,
		    uint64_t *ret_bytes, struct refusal *why)
{
	uint64_t bytes;
	int rc = list_areas(shared);

	for (uint32_t i = 0; !rc && i < shared->nr_areas; i++)
		rc = find_area(shared, &shared->areas[i], runs);
	if (rc)
		return rc;
	bytes = runlist_pages(runs) << PAGE_SHIFT;
	if (bytes > shared->max_bytes)
		return refuse(why, -EFBIG,
			      "%llu MiB of writable shared memory would have "
			      "to be copied in the pause, over the limit of "
			      "%llu MiB",
			      (unsigned long long)bytes >> 20,
			      (unsigned long long)shared->max_bytes >> 20);
	*ret_bytes = bytes;
	return 0;
}

/*
 * Make room in the memfd.  Its pages are made here, before the pause, and never
 * mapped: copying from file to file spares both sides' page tables, which made
 * it three times as fast as any way through a map of ours.
 */
static int make_room(struct shared *shared, uint64_t bytes, struct refusal *why)
{
	if (shared->memfd < 0)
		shared->memfd = memfd_create("mitosis-shared", MFD_CLOEXEC);
	if (shared->memfd < 0)
		return -errno;
	if (bytes <= shared->memfd_bytes)
		return 0;
	if (fallocate(shared->memfd, 0, 0, (off_t)bytes)) {
		int rc = -errno;

		return refuse(why, rc,
			      "no room for a copy of its %llu MiB of writable "
			      "shared memory: %s",
			      (unsigned long long)bytes >> 20, io_strerror(rc));
	}
	shared->memfd_bytes = bytes;
	return 0;
}

int shared_prepare(const struct shared_origin *origin,
		   struct shared **ret_shared, struct refusal *why)
{
	CLEANUP(cleanup_shared) struct shared *shared = NULL;
	CLEANUP(runlist_free) struct runlist runs = {0};
	uint64_t bytes;
	int rc;

	shared = calloc(1, sizeof(*shared));
	if (!shared)
		return -ENOMEM;
	shared->bounce = malloc(BOUNCE_BYTES);
	shared->pid = origin->pid;
	shared->mem_fd = origin->mem_fd;
	shared->max_bytes = origin->max_bytes;
	shared->memfd = -1;
	shared->pagemap_fd = pagescan_open(origin->pid);
	shared->maps_fd = areas_open(origin->pid);
	if (shared->maps_fd < 0 || shared->pagemap_fd < 0)
		return shared->maps_fd < 0 ? shared->maps_fd
					   : shared->pagemap_fd;
	rc = keep_huge(shared, origin->vmas, origin->nr_vmas);
	if (!rc)
		rc = find_all(shared, &runs, &bytes, why);
	if (!rc && bytes)
		rc = make_room(shared, bytes, why);
	if (rc)
		return rc;
	*ret_shared = steal_ptr(&shared);
	return 0;
}

/*
 * Through memory, for what no file has.
 *
 * process_vm_readv(2) is the faster, but it pins what it reads.  While the
 * target forks that is to make copies of private huge pages, for which there
 * may be none in the pool.
 */
static ssize_t read_memory(const struct shared *shared, bool is_private,
			   uint64_t raddr, size_t want)
{
	struct iovec local = {shared->bounce, want};
	struct iovec remote = {(void *)(uintptr_t)raddr, want};

	return is_private ? pread(shared->mem_fd, shared->bounce, want,
				  (off_t)raddr)
			  : process_vm_readv(shared->pid, &local, 1, &remote, 1,
					     0);
}

/* Appends to the memfd. */
static int copy_memory(const struct shared *shared, bool is_private,
		       uint64_t raddr, uint64_t len)
{
	while (len) {
		size_t want = len < BOUNCE_BYTES ? len : BOUNCE_BYTES;
		ssize_t got = read_memory(shared, is_private, raddr, want);
		int rc;

		if (got <= 0)
			return got < 0 && errno == ESRCH ? -ESRCH : -EIO;
		rc = io_write_all(shared->memfd, shared->bounce, (size_t)got);
		if (rc)
			return rc;
		raddr += (uint64_t)got;
		len -= (uint64_t)got;
	}
	return 0;
}

/*
 * From the object, which neither faults nor needs read permission; what lies
 * past its end from memory: the rest of a last page is the program's to use.
 */
static int copy_object(const struct shared *shared, const struct area *area,
		       int fd, uint64_t raddr, uint64_t len)
{
	off_t offset = (off_t)(raddr - area->start + area->offset_bytes);

	while (len) {
		ssize_t got = sendfile(shared->memfd, fd, &offset, len);

		if (got <= 0)
			return copy_memory(shared, false, raddr, len);
		raddr += (uint64_t)got;
		len -= (uint64_t)got;
	}
	return 0;
}

/* Copy the parts of @runs from run *@at on that lie in @area. */
static int copy_area(struct shared *shared, const struct area *area,
		     const struct runlist *runs, uint32_t *at)
{
	CLEANUP_CLOSE int fd =
		area->is_private ? -1 : open_object(shared, area);
	int rc = 0;

	for (; !rc && *at < runs->nr; ++*at) {
		const struct image_run *run = &runs->runs[*at];
		uint64_t start = run->first_page << PAGE_SHIFT;
		uint64_t end = start + (run->nr_pages << PAGE_SHIFT);

		if (start >= area->end)
			return 0;
		if (start < area->start)
			start = area->start;
		if (end > area->end)
			end = area->end;
		rc = fd < 0 ? copy_memory(shared, area->is_private, start,
					  end - start)
			    : copy_object(shared, area, fd, start, end - start);
		/* The run goes on in the next area. */
		if (run->first_page + run->nr_pages > page_of(area->end))
			return rc;
	}
	return rc;
}

static int copy_all(struct shared *shared, const struct runlist *runs,
		    struct refusal *why)
{
	uint32_t at = 0;
	int rc = lseek(shared->memfd, 0, SEEK_SET) ? -errno : 0;

	for (uint32_t i = 0; !rc && i < shared->nr_areas; i++)
		rc = copy_area(shared, &shared->areas[i], runs, &at);
	return rc ? refuse(why, rc,
			   "its shared memory and huge pages cannot be copied "
			   "in the pause: %s",
			   io_strerror(rc))
		  : 0;
}

int shared_copy(struct shared *shared, int *ret_fd, struct image_run **ret_runs,
		uint32_t *ret_nr_runs, struct refusal *why)
{
	CLEANUP(runlist_free) struct runlist runs = {0};
	uint64_t bytes;
	int rc = find_all(shared, &runs, &bytes, why);

	if (!rc && bytes)
		rc = make_room(shared, bytes, why);
	if (!rc && bytes)
		rc = copy_all(shared, &runs, why);
	if (rc)
		return rc;
	*ret_fd = bytes ? steal_fd(&shared->memfd) : -1;
	*ret_nr_runs = runs.nr;
	*ret_runs = steal_ptr(&runs.runs);
	return 0;
}
