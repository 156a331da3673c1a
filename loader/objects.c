/* SPDX-License-Identifier: MIT */
/*
 * objects.c - pages go from the image to a memfd without passing through here
 */
#include "loader/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "loader/areas.h"
#include "loader/live.h"
#include "loader/seals.h"

struct objects {
	const struct plan *plan;
	const struct imagedir *dir;
	const struct fate *fates;
	bool *live; /* of each object: the file itself, not ours to fill */
};

static int object_fd(const struct plan *plan, unsigned index)
{
	return plan_fd(plan->facts, PLAN_SLOT_OBJECT + index);
}

static int move_to(const struct plan *plan, unsigned index, int fd)
{
	return dup3(fd, object_fd(plan, index), O_CLOEXEC) < 0 ? -errno : 0;
}

/* A descriptor of what the object @index is, or NULL. */
static const struct image_fd *descriptor_of(const struct plan *plan,
					    unsigned index)
{
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (areas_object_of_fd(plan, &image->fds[i]) == (int)index)
			return &image->fds[i];
	return NULL;
}

/*
 * The image's user opens it anew for all that the parent had it open for.
 * Before it is sealed: with F_SEAL_EXEC, what may be executed then is not to be
 * written either.
 */
static void take_mode(int fd, const struct image *image,
		      const struct image_fd *of)
{
	const bool owned = !fchown(fd, image->uid[3], image->gid[3]);

	(void)fchmod(fd, (mode_t)((of->mode & 07777) | (owned ? 0600 : 0666)));
}

static int make_memfd(const struct plan *plan, unsigned index)
{
	const struct image_fd *of = descriptor_of(plan, index);
	const bool sealable = of && seals_are_allowed(of);
	CLEANUP_CLOSE int fd =
		memfd_create("mitosis-shared",
			     MFD_CLOEXEC | (sealable ? MFD_ALLOW_SEALING : 0));

	if (fd < 0 || ftruncate(fd, (off_t)plan->objects[index].bytes) < 0)
		return -errno;
	if (of)
		take_mode(fd, plan->image, of);
	return move_to(plan, index, fd);
}

static int make_one(const struct objects *objects, unsigned index)
{
	const struct plan *plan = objects->plan;
	const struct image_fd *file = plan->objects[index].live;
	CLEANUP_CLOSE int fd =
		file ? live_open(plan->image, objects->fates, file) : -1;

	objects->live[index] = fd >= 0;
	return fd >= 0 ? move_to(plan, index, fd) : make_memfd(plan, index);
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

static unsigned index_of(const struct plan *plan, const struct image_vma *vma)
{
	return (unsigned)(areas_object(plan, vma) - plan->objects);
}

static int fill_vma(const struct objects *objects, const struct image_vma *vma)
{
	const struct plan *plan = objects->plan;
	const struct image *image = plan->image;
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));
	const struct image_run *end = image->runs + image->nr_runs;
	unsigned index = index_of(plan, vma);
	CLEANUP_CLOSE int fd = -1;
	uint64_t shift;
	int error = imagedir_open_vma(objects->dir, vma, &fd, &shift);

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
static int trim(const struct objects *objects)
{
	const struct plan *plan = objects->plan;

	for (unsigned i = 0; i < plan->nr_objects; i++)
		if (!objects->live[i] &&
		    ftruncate(object_fd(plan, i),
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

/* Is @vma a map of what a writable map has all of, which was copied? */
static bool is_covered(const struct plan *plan, const struct image_vma *vma)
{
	uint64_t end = vma->offset_bytes + (vma->end - vma->start);
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *by = &image->vmas[i];

		if (by->kind == IMAGE_VMA_SHARED &&
		    areas_object(plan, by) == areas_object(plan, vma) &&
		    by->offset_bytes <= vma->offset_bytes &&
		    by->offset_bytes + (by->end - by->start) >= end)
			return true;
	}
	return false;
}

static bool needs_fill(const struct objects *objects,
		       const struct image_vma *vma, bool views)
{
	const struct plan *plan = objects->plan;

	if (areas_becomes(plan, vma) != AREAS_OBJECT ||
	    objects->live[index_of(plan, vma)] ||
	    views != (vma->kind == IMAGE_VMA_FILE))
		return false;
	return !views || !is_covered(plan, vma);
}

/* @views: the maps without PROT_WRITE, whose bytes are of a later moment. */
static int fill_vmas(const struct objects *objects, bool views, struct why *why)
{
	const struct image *image = objects->plan->image;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		int error = needs_fill(objects, vma, views)
				    ? fill_vma(objects, vma)
				    : 0;

		if (error)
			return why_set(
				why, error, "copying shared memory %lx-%lx: %s",
				(unsigned long)vma->start,
				(unsigned long)vma->end, strerror(-error));
	}
	return 0;
}

static int fill_all(const struct objects *objects, struct why *why)
{
	int error = put_bytes(objects->plan);

	if (error)
		return why_set(why, error, "filling files without a name: %s",
			       strerror(-error));
	error = fill_vmas(objects, true, why);
	if (!error)
		error = fill_vmas(objects, false, why);
	return error ? error : trim(objects);
}

static int seal_all(const struct plan *plan, struct why *why)
{
	int error = seals_make(plan);

	return error ? why_set(why, error, "sealing shared memory: %s",
			       strerror(-error))
		     : 0;
}

int objects_make(const struct plan *plan, const struct imagedir *dir,
		 const struct fate *fates, struct why *why)
{
	CLEANUP_FREE bool *live = calloc(plan->nr_objects + 1u, sizeof(*live));
	const struct objects objects = {plan, dir, fates, live};
	int error = live ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < plan->nr_objects; i++)
		error = make_one(&objects, i);
	if (error)
		return why_set(why, error, "making shared memory: %s",
			       strerror(-error));
	error = plan->nr_objects ? fill_all(&objects, why) : 0;
	return error ? error : seal_all(plan, why);
}
