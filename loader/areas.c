/* SPDX-License-Identifier: MIT */
/*
 * areas.c - one function for each kind of area
 */
#include "loader/areas.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/page.h"
#include "loader/advice.h"
#include "loader/fence.h"
#include "loader/imagedir.h"

#define LEFTOVER_NAME "/memfd:" PLAN_MEMFD " (deleted)"

static uint64_t vma_bytes(const struct image_vma *vma)
{
	return vma->end - vma->start;
}

static bool has_pages(const struct image *image, const struct image_vma *vma)
{
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));

	return run && run->first_page < page_of(vma->end);
}

bool areas_is_leftover(const struct image *image, const struct image_vma *vma)
{
	if (strcmp(vma->name, LEFTOVER_NAME) != 0)
		return false;
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		uint64_t rip = image->threads[i].regs[REG_RIP_];
		const struct image_vma *at = image_vma_at(image, rip);

		if (at && !strcmp(at->name, LEFTOVER_NAME))
			return false;
	}
	return true;
}

/* The name of a map of an image: DIR/.space, .warm, or vma/START-END. */
static bool is_image_file(const char *name)
{
	const char *slash = strrchr(name, '/');
	unsigned long start, end;
	int len = 0;

	if (!slash)
		return false;
	if (!strcmp(slash, "/.space") || !strcmp(slash, "/.warm"))
		return true;
	return slash - name >= 4 && !strncmp(slash - 4, "/vma", 4) &&
	       sscanf(slash, "/%lx-%lx%n", &start, &end, &len) == 2 &&
	       !slash[len];
}

/*
 * The parent may be a child of an earlier image itself.  Then its anonymous
 * memory is a file map to the kernel, beside real file maps of its own parent.
 * Who drops pages drops memory it may write: that is taken for anonymous.
 */
static bool was_loaded(const struct image_vma *vma)
{
	return vma->kind == IMAGE_VMA_FILE && vma->prot & PROT_WRITE &&
	       is_image_file(vma->name);
}

/* A private huge page map is told as SHARED, for its pages were copied. */
static bool means_anonymous(const struct image_vma *vma)
{
	return image_vma_is_anonymous(vma) || was_loaded(vma) ||
	       (vma->kind == IMAGE_VMA_SHARED &&
		!(vma->flags & IMAGE_VMA_SHARED_MAP));
}

enum areas_kind areas_choose(const struct image *image,
			     const struct image_vma *vma,
			     enum plan_memory memory)
{
	if (vma->kind == IMAGE_VMA_VDSO || vma->kind == IMAGE_VMA_VVAR ||
	    vma->kind == IMAGE_VMA_VSYSCALL || areas_is_leftover(image, vma))
		return AREAS_NONE;
	if (vma->kind == IMAGE_VMA_STACK)
		return AREAS_STACK;
	if (!means_anonymous(vma))
		return vma->kind == IMAGE_VMA_FILE ? AREAS_WINDOW
						   : AREAS_OBJECT;
	if (vma->flags & IMAGE_VMA_WIPEONFORK || !has_pages(image, vma))
		return AREAS_ANONYMOUS;
	return memory == PLAN_MEMORY_OWN ? AREAS_PAGED : AREAS_WINDOW;
}

static struct plan_object *find_object(const struct plan *plan,
				       const struct image_vma *vma)
{
	for (uint32_t i = 0; i < plan->nr_objects; i++) {
		struct plan_object *object = &plan->objects[i];

		if (object->inode == vma->inode &&
		    object->dev_major == vma->dev_major &&
		    object->dev_minor == vma->dev_minor)
			return object;
	}
	return NULL;
}

const struct plan_object *areas_object(const struct plan *plan,
				       const struct image_vma *vma)
{
	return find_object(plan, vma);
}

enum areas_kind areas_becomes(const struct plan *plan,
			      const struct image_vma *vma)
{
	bool view = vma->kind == IMAGE_VMA_FILE &&
		    vma->flags & IMAGE_VMA_SHARED_MAP;

	return view && find_object(plan, vma)
		       ? AREAS_OBJECT
		       : areas_choose(plan->image, vma, plan->facts->memory);
}

int areas_object_of_fd(const struct plan *plan, const struct image_fd *fd)
{
	const struct image *image = plan->image;

	if (!image_fd_is_nameless(fd))
		return -1;
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		const struct plan_object *object =
			image_fd_is_mapped_at(fd, vma) ? find_object(plan, vma)
						       : NULL;

		if (object)
			return (int)(object - plan->objects);
	}
	return -1;
}

static int note_object(struct plan *plan, const struct image_vma *vma,
		       const struct image_fd *live)
{
	uint64_t bytes = vma->offset_bytes + vma_bytes(vma);
	struct plan_object *object = find_object(plan, vma);

	if (object) {
		if (bytes > object->bytes)
			object->bytes = bytes;
		return 0;
	}
	if (plan->nr_objects == PLAN_OBJECTS_MAX)
		return -E2BIG;
	object = reallocarray(plan->objects, plan->nr_objects + 1,
			      sizeof(*object));
	if (!object)
		return -ENOMEM;
	plan->objects = object;
	object[plan->nr_objects++] = (struct plan_object){
		.dev_major = vma->dev_major,
		.dev_minor = vma->dev_minor,
		.inode = vma->inode,
		.bytes = bytes,
		.live = live,
	};
	return 0;
}

/*
 * Shared maps without PROT_WRITE: of what is an object already, or of a file
 * that is live.  One too many of these stays the image's.
 */
static int find_views(struct plan *plan)
{
	const struct image_fd *const *live = plan->facts->live;
	const struct image *image = plan->image;
	int error = 0;

	for (uint32_t i = 0; !error && i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (areas_becomes(plan, vma) == AREAS_OBJECT ||
		    (live && live[i] && plan->nr_objects < PLAN_OBJECTS_MAX))
			error = note_object(plan, vma, live ? live[i] : NULL);
	}
	return error;
}

/*
 * A program that asks a memfd, or a file that has no name any more and is its
 * memory here, for the size must hear the parent's answer.
 */
static void size_objects(struct plan *plan)
{
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_fds; i++) {
		int object = areas_object_of_fd(plan, &image->fds[i]);

		if (object >= 0)
			plan->objects[object].bytes = image->fds[i].size_bytes;
	}
}

int areas_find_objects(struct plan *plan)
{
	const struct image *image = plan->image;
	int error = 0;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (areas_choose(image, vma, PLAN_MEMORY_SHARED) ==
		    AREAS_OBJECT)
			error = note_object(plan, vma, NULL);
		if (error)
			return error;
	}
	error = find_views(plan);
	if (!error)
		size_objects(plan);
	return error;
}

static uint64_t private_flags(const struct image_vma *vma)
{
	return MAP_PRIVATE | MAP_FIXED |
	       (vma->flags & IMAGE_VMA_NORESERVE ? MAP_NORESERVE : 0);
}

static void map_anonymous(struct plan *plan, const struct image_vma *vma,
			  uint64_t prot, uint64_t flags)
{
	steps_fixed(plan_map_steps(plan), SYS_mmap, vma->start, vma_bytes(vma),
		    prot, private_flags(vma) | MAP_ANONYMOUS | flags,
		    (uint64_t)-1);
}

/*
 * Append @step, whose argument @fd_arg is the file with @vma's pages and whose
 * argument @offset_arg is an offset there, given as a virtual address.
 */
struct with_pages {
	struct blob_step step;
	int fd_arg, offset_arg;
};

static void add_with_pages(struct plan *plan, const struct image_vma *vma,
			   struct with_pages with)
{
	if (plan->facts->has_space) {
		with.step.args[with.fd_arg] =
			(uint64_t)plan_fd(plan->facts, PLAN_SLOT_SPACE);
	} else {
		with.step.kept_arg = (uint8_t)(with.fd_arg + 1);
		with.step.args[with.offset_arg] -= vma->start;
	}
	steps_add(plan_map_steps(plan), &with.step);
}

static void open_pages(struct plan *plan, const struct image_vma *vma)
{
	char name[IMAGEDIR_NAME_MAX] = "";
	uint64_t dir = (uint64_t)plan_fd(plan->facts, PLAN_SLOT_DIR);

	if (plan->facts->has_space)
		return;
	imagedir_vma_name(vma, name);
	steps_add(&plan->steps,
		  &(struct blob_step){
			  .nr = SYS_openat,
			  .check = BLOB_FD,
			  .args = {dir,
				   steps_data(&plan->steps, name, sizeof(name)),
				   O_RDONLY | O_CLOEXEC},
		  });
}

static void close_pages(struct plan *plan)
{
	if (!plan->facts->has_space)
		steps_add(&plan->steps,
			  &(struct blob_step){.nr = SYS_close, .kept_arg = 1});
}

static void map_window(struct plan *plan, const struct image_vma *vma)
{
	uint64_t flags = private_flags(vma);

	open_pages(plan, vma);
	add_with_pages(
		plan, vma,
		(struct with_pages){
			.step = {.nr = SYS_mmap,
				 .check = BLOB_SAME,
				 .args = {vma->start, vma_bytes(vma), vma->prot,
					  flags, 0, vma->start}},
			.fd_arg = 4,
			.offset_arg = 5,
		});
	close_pages(plan);
}

/* Copy the pages of @vma that the image has into the memory mapped there. */
static void fill(struct plan *plan, const struct image_vma *vma)
{
	const struct image *image = plan->image;
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));
	const struct image_run *end = image->runs + image->nr_runs;

	for (; run && run < end && run->first_page < page_of(vma->end); run++) {
		uint64_t from = run->first_page << PAGE_SHIFT;
		uint64_t to = from + (run->nr_pages << PAGE_SHIFT);

		from = from < vma->start ? vma->start : from;
		to = to > vma->end ? vma->end : to;
		steps_populate(plan_map_steps(plan), from, to - from);
		add_with_pages(
			plan, vma,
			(struct with_pages){
				.step = {.nr = SYS_pread64,
					 .check = BLOB_COUNT,
					 .args = {0, from, to - from, from}},
				.fd_arg = 0,
				.offset_arg = 3,
			});
	}
}

static void map_stack(struct plan *plan, const struct image_vma *vma)
{
	uint64_t prot = vma->prot | PROT_READ | PROT_WRITE;

	map_anonymous(plan, vma, prot, MAP_GROWSDOWN);
	if (has_pages(plan->image, vma)) {
		open_pages(plan, vma);
		fill(plan, vma);
		close_pages(plan);
	}
	if (prot != vma->prot)
		steps_call(plan_map_steps(plan), SYS_mprotect, vma->start,
			   vma_bytes(vma), vma->prot);
}

static void map_paged(struct plan *plan, const struct image_vma *vma)
{
	const struct uffdio_register area = {
		.range = {.start = vma->start, .len = vma_bytes(vma)},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	map_anonymous(plan, vma, vma->prot, 0);
	steps_call(&plan->steps, SYS_ioctl,
		   (uint64_t)plan_fd(plan->facts, PLAN_SLOT_UFFD),
		   UFFDIO_REGISTER,
		   steps_data(&plan->steps, &area, sizeof(area)));
	plan->paged[plan->nr_paged++] = (uint32_t)(vma - plan->image->vmas);
}

static void map_object(struct plan *plan, const struct image_vma *vma)
{
	unsigned index = (unsigned)(find_object(plan, vma) - plan->objects);

	steps_fixed(&plan->steps, SYS_mmap, vma->start, vma_bytes(vma),
		    vma->prot, MAP_SHARED | MAP_FIXED,
		    (uint64_t)plan_fd(plan->facts, PLAN_SLOT_OBJECT + index),
		    vma->offset_bytes);
}

static void note_window(struct plan *plan, const struct image_vma *vma)
{
	const struct plan_facts *facts = plan->facts;
	uint32_t index = (uint32_t)(vma - plan->image->vmas);
	uint64_t start = facts->has_space ? vma->start : 0;

	/* With --memory=own nothing is held. */
	if (facts->memory == PLAN_MEMORY_OWN && !means_anonymous(vma))
		return;
	plan->windows[plan->nr_windows++] = (struct guard_window){
		.inode = facts->has_space ? facts->space_inode
					  : facts->vma_inodes[index],
		.start_bytes = start,
		.end_bytes = start + vma_bytes(vma),
		.vma_flags = vma->flags,
		.is_file = !means_anonymous(vma),
	};
}

static void plan_fences(struct plan *plan, const struct image_vma *vma,
			enum areas_kind kind)
{
	const struct plan_facts *facts = plan->facts;
	bool of_file = kind == AREAS_WINDOW && !means_anonymous(vma);
	const struct fence_how how = {
		.installs =
			of_file ? facts->has_file_fences : facts->has_fences,
		.cookie = facts->cookie,
		.is_window = kind == AREAS_WINDOW && !of_file,
	};

	fence_plan(plan_map_steps(plan), plan->image, vma, how);
}

static void map_area(struct plan *plan, const struct image_vma *vma,
		     enum areas_kind kind)
{
	switch (kind) {
	case AREAS_NONE:
		return;
	case AREAS_ANONYMOUS:
		map_anonymous(plan, vma, vma->prot, 0);
		break;
	case AREAS_STACK:
		map_stack(plan, vma);
		break;
	case AREAS_WINDOW:
		map_window(plan, vma);
		note_window(plan, vma);
		break;
	case AREAS_PAGED:
		map_paged(plan, vma);
		break;
	case AREAS_OBJECT:
		map_object(plan, vma);
		break;
	}
	plan_fences(plan, vma, kind);
	advice_plan(plan, vma, kind);
}

static int compare_windows(const void *left, const void *right)
{
	const struct guard_window *a = left, *b = right;

	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return (a->start_bytes > b->start_bytes) -
	       (a->start_bytes < b->start_bytes);
}

int areas_plan(struct plan *plan)
{
	const struct image *image = plan->image;

	plan->windows = calloc(image->nr_vmas + 1, sizeof(*plan->windows));
	plan->paged = calloc(image->nr_vmas + 1, sizeof(*plan->paged));
	if (!plan->windows || !plan->paged)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		steps_about(&plan->steps, STEPS_VMA, i);
		map_area(plan, vma, areas_becomes(plan, vma));
	}
	qsort(plan->windows, plan->nr_windows, sizeof(*plan->windows),
	      compare_windows);
	return 0;
}
