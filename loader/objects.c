/* SPDX-License-Identifier: MIT */
/*
 * objects.c - pages go from the image to a memfd without passing through here
 */
#include "loader/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "loader/areas.h"

static int object_fd(const struct plan *plan, unsigned index)
{
	return plan_fd(plan->facts, PLAN_SLOT_OBJECT + index);
}

static int make_one(const struct plan *plan, unsigned index)
{
	CLEANUP_CLOSE int fd = memfd_create("mitosis-shared", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)plan->objects[index].bytes) < 0 ||
	    dup3(fd, object_fd(plan, index), O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Copy @len bytes of @from at @from_at to @to at @to_at. */
struct stretch {
	int from, to;
	off_t from_at, to_at;
	size_t len;
};

static int copy(struct stretch stretch)
{
	if (lseek(stretch.to, stretch.to_at, SEEK_SET) < 0)
		return -errno;
	while (stretch.len) {
		ssize_t done = sendfile(stretch.to, stretch.from,
					&stretch.from_at, stretch.len);

		if (done < 0)
			return -errno;
		if (!done)
			return -ENODATA;
		stretch.len -= (size_t)done;
	}
	return 0;
}

static int fill_vma(const struct plan *plan, const struct imagedir *dir,
		    const struct image_vma *vma)
{
	const struct image *image = plan->image;
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));
	const struct image_run *end = image->runs + image->nr_runs;
	unsigned index = (unsigned)(areas_object(plan, vma) - plan->objects);
	CLEANUP_CLOSE int fd = -1;
	uint64_t shift;
	int error = imagedir_open_vma(dir, vma, &fd, &shift);

	for (;
	     !error && run && run < end && run->first_page < page_of(vma->end);
	     run++) {
		uint64_t from = run->first_page << PAGE_SHIFT;
		uint64_t to = from + (run->nr_pages << PAGE_SHIFT);

		from = from < vma->start ? vma->start : from;
		to = to > vma->end ? vma->end : to;
		error = copy((struct stretch){
			.from = fd,
			.to = object_fd(plan, index),
			.from_at = (off_t)(from - shift),
			.to_at = (off_t)(from - vma->start + vma->offset_bytes),
			.len = to - from,
		});
	}
	return error;
}

/* A size that is no whole page was set; filling whole pages has changed it. */
static int trim(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->nr_objects; i++)
		if (ftruncate(object_fd(plan, i),
			      (off_t)plan->objects[i].bytes) < 0)
			return -errno;
	return 0;
}

/* What is not mapped of a file without a name came with its descriptor. */
static int put_bytes(const struct plan *plan)
{
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_fds; i++) {
		const struct image_fd *fd = &image->fds[i];
		int object = areas_object_of_fd(plan, fd);

		if (object < 0 || fd->data_bytes != fd->size_bytes)
			continue;
		if (pwrite(object_fd(plan, (unsigned)object), fd->data,
			   fd->data_bytes, 0) != fd->data_bytes)
			return -EIO;
	}
	return 0;
}

static int fill_all(const struct plan *plan, const struct imagedir *dir,
		    struct why *why)
{
	const struct image *image = plan->image;
	int error = put_bytes(plan);

	if (error)
		return why_set(why, error, "filling files without a name: %s",
			       strerror(-error));
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		error = 0;
		if (areas_choose(image, vma, PLAN_MEMORY_SHARED) ==
		    AREAS_OBJECT)
			error = fill_vma(plan, dir, vma);
		if (error)
			return why_set(
				why, error, "copying shared memory %lx-%lx: %s",
				(unsigned long)vma->start,
				(unsigned long)vma->end, strerror(-error));
	}
	return 0;
}

int objects_make(const struct plan *plan, const struct imagedir *dir,
		 struct why *why)
{
	int error = 0;

	if (!plan->nr_objects)
		return 0;
	for (unsigned i = 0; !error && i < plan->nr_objects; i++)
		error = make_one(plan, i);
	if (error)
		return why_set(why, error, "making shared memory: %s",
			       strerror(-error));
	error = fill_all(plan, dir, why);
	return error ? error : trim(plan);
}
