/* SPDX-License-Identifier: MIT */
/*
 * load.c - gather the facts, check, plan
 */
#include "loader/load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "loader/areas.h"
#include "loader/fence.h"
#include "loader/jump.h"
#include "loader/lay.h"
#include "loader/leads.h"
#include "loader/live.h"
#include "loader/nspace.h"
#include "loader/phases.h"

#define CAP_CHECKPOINT_RESTORE_ 40

/* Our own descriptors stay below this, and those of each child above it. */
#define OWN_FDS_MAX	  64
#define OWN_FDS_PER_CHILD 16
#define OWN_FDS_SPARE	  16 /* shared memory, --fd N=M */

int load_choices_fd(const struct load *load)
{
	return plan_fd(&load->facts, PLAN_SLOT_OBJECT + load->plan->nr_objects);
}

/*
 * Which device and inode the kernel tells for maps of the image.  Some file
 * systems (overlayfs, btrfs) tell stat(2) something else: a page is mapped, and
 * found by its address.  It also tells whether code can be mapped.
 */
static int probe(struct load *load, int fd, void **ret_page)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			  fd, 0);

	load->dir->noexec = page == MAP_FAILED && errno == EPERM;
	if (page == MAP_FAILED)
		page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	*ret_page = page;
	return 0;
}

static const struct place_map *map_at(const struct place_maps *maps,
				      const void *page)
{
	for (uint32_t i = 0; i < maps->nr; i++)
		if (maps->list[i].start <= (uint64_t)page &&
		    maps->list[i].end > (uint64_t)page)
			return &maps->list[i];
	return NULL;
}

static const struct image_vma *first_window(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (areas_choose(image, &image->vmas[i], PLAN_MEMORY_SHARED) ==
		    AREAS_WINDOW)
			return &image->vmas[i];
	return NULL;
}

static int read_inodes(struct load *load, struct why *why)
{
	const struct image *image = load->dir->image;
	uint64_t *inodes = calloc(image->nr_vmas + 1, sizeof(*inodes));

	if (!inodes)
		return -ENOMEM;
	load->facts.vma_inodes = inodes;
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		char name[IMAGEDIR_NAME_MAX];
		struct stat file;

		if (areas_choose(image, &image->vmas[i], PLAN_MEMORY_SHARED) !=
		    AREAS_WINDOW)
			continue;
		imagedir_vma_name(&image->vmas[i], name);
		if (fstatat(load->dir->fd, name, &file, 0) < 0)
			return why_set(why, -errno, "%s/%s: %s",
				       load->dir->path, name, strerror(errno));
		inodes[i] = file.st_ino;
	}
	return 0;
}

/* Own maps, read while a page of the image is mapped among them. */
static int read_maps(struct load *load, struct why *why)
{
	const struct image_vma *vma = first_window(load->dir->image);
	const struct place_map *map;
	CLEANUP_CLOSE int fd = -1;
	struct stat file = {0};
	void *page = NULL;
	uint64_t shift;
	int error = 0;

	if (vma)
		error = imagedir_open_vma(load->dir, vma, &fd, &shift);
	if (vma && !error)
		error = fstat(fd, &file) < 0 ? -errno : probe(load, fd, &page);
	if (error)
		return why_set(why, error, "mapping the image's pages: %s",
			       strerror(-error));
	error = place_read_maps(&load->maps);
	if (error)
		return why_set(why, error, "reading own maps: %s",
			       strerror(-error));
	load->facts.maps = &load->maps;
	map = page ? map_at(&load->maps, page) : NULL;
	if (!map)
		return 0;
	load->dev = makedev(map->dev_major, map->dev_minor);
	load->facts.space_inode = map->inode;
	if (load->dir->space < 0 && map->inode != file.st_ino)
		return why_set(why, -EOPNOTSUPP,
			       "%s is on a file system whose maps have other "
			       "inode numbers: copy the image to another one",
			       load->dir->path);
	load->facts.has_fences = fence_try_memory();
	load->facts.has_file_fences = fence_try(page);
	return munmap(page, PAGE_BYTES) < 0 ? -errno : 0;
}

static int highest_fd(const struct image *image)
{
	return image->nr_fds ? image->fds[image->nr_fds - 1].fd : -1;
}

/*
 * The image's descriptors, then ours, must fit.  The soft limit may be raised
 * for the while; the child ends with the one we had.
 */
static int raise_nofile(struct load *load, struct why *why)
{
	int highest = highest_fd(load->dir->image);
	rlim_t needed =
		(rlim_t)load->facts.fd_base + OWN_FDS_MAX + PLAN_OBJECTS_MAX;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if ((rlim_t)load->facts.fd_base + PLAN_SLOT_OBJECT + OWN_FDS_SPARE >
	    limit.rlim_max)
		return why_set(why, -EMFILE,
			       "the image has descriptor %d, %u children need "
			       "more, and the limit is %llu: raise it with "
			       "ulimit -Hn",
			       highest, load->options->nr_children,
			       (unsigned long long)limit.rlim_max);
	/* Also where it need not be raised: it may be for another image. */
	load->facts.nofile = (rlim_t)highest >= limit.rlim_cur
				     ? (uint64_t)highest + 1
				     : limit.rlim_cur;
	load->facts.nofile_max = limit.rlim_max;
	/* A pager needs one for each fork that lives: how many nobody knows. */
	if (needed <= limit.rlim_cur &&
	    load->options->memory == PLAN_MEMORY_SHARED)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int gather(struct load *load, struct why *why)
{
	const struct load_options *options = load->options;
	struct plan_facts *facts = &load->facts;
	int own = OWN_FDS_MAX + OWN_FDS_PER_CHILD * (int)options->nr_children;
	int highest = highest_fd(load->dir->image);
	int error;

	if (options->memory == PLAN_MEMORY_OWN && load->dir->space < 0)
		own += (int)load->dir->image->nr_vmas; /* open_areas() */
	facts->cookie = options->cookie;
	facts->code_bytes = jump_code_bytes();
	facts->fd_base = highest < own ? own : highest + 1;
	facts->has_space = load->dir->space >= 0;
	facts->memory = options->memory;
	facts->new_pid = options->new_pid;
	facts->die_with_parent = true;
	facts->ask_supervisor =
		load->direct || options->memory == PLAN_MEMORY_OWN;
	affinity_read(&facts->affinity);
	frame_read_xsave(load->dir->image, load->same_host, &facts->xsave);
	facts->same_host = load->same_host;
	error = credentials_read(load->dir->image, &facts->credentials);
	if (error)
		return error;
	facts->set_exe =
		facts->credentials.effective >> CAP_CHECKPOINT_RESTORE_ & 1 ||
		facts->credentials.effective >> CAP_SYS_ADMIN & 1;
	facts->may_trace = facts->credentials.effective >> CAP_SYS_PTRACE & 1;
	error = raise_nofile(load, why);
	if (!error && !facts->has_space)
		error = read_inodes(load, why);
	return error ? error : read_maps(load, why);
}

static bool usable_exe(int fd, uint64_t bytes)
{
	struct stat file;
	struct statvfs fs;

	return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
	       (!bytes || (uint64_t)file.st_size == bytes) &&
	       fstatvfs(fd, &fs) == 0 && !(fs.f_flag & ST_NOEXEC);
}

static bool try_exe(struct load *load, int at, const char *path, uint64_t bytes)
{
	CLEANUP_CLOSE int fd = openat(at, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || !usable_exe(fd, bytes))
		return false;
	load->exe_fd = steal_fd(&fd);
	return true;
}

/* For /proc/PID/exe: the program itself, or the copy that the image has. */
static int open_exe(struct load *load, struct why *why)
{
	const struct image *image = load->dir->image;
	const char *chosen = load->options->exe;

	if (!load->facts.set_exe)
		return 0;
	if (chosen && try_exe(load, AT_FDCWD, chosen, 0))
		return 0;
	if (chosen)
		return why_set(why, -ENOEXEC,
			       "--exe=%s is no file that could be run", chosen);
	if (try_exe(load, AT_FDCWD, image->exe, image->exe_bytes) ||
	    try_exe(load, load->dir->fd, "exe", 0))
		return 0;
	return why_set(why, -ENOENT,
		       "the program %s is not here in the parent's size: say "
		       "where it is with --exe=PATH",
		       image->exe);
}

static int decide_fates(struct load *load, struct why *why)
{
	const struct image *image = load->dir->image;

	load->fates = calloc(image->nr_fds + 1, sizeof(*load->fates));
	if (!load->fates)
		return -ENOMEM;
	return fate_decide(image, &load->options->fates, load->fates, why);
}

/* What it has to be given, it may be given by load_with(). */
static int decide_first(struct load *load, struct why *ret_missing,
			struct why *why)
{
	int error = decide_fates(load, ret_missing);

	if (error == -EOPNOTSUPP && load->options->fates_later)
		return 0;
	return error ? why_set(why, error, "%s", ret_missing->text) : 0;
}

/* On another host the same numbers may be another file's. */
static int find_live(struct load *load)
{
	const struct image_fd **live = NULL;
	int error = 0;

	if (load->same_host)
		error = live_find(load->dir->image, load->fates, &live);
	load->facts.live = live;
	return error;
}

static int find_hole(struct load *load, struct why *why)
{
	load->facts.hole =
		place_find(&load->maps, load->dir->image, PLAN_HOLE_BYTES);
	if (load->facts.hole)
		return 0;
	return why_set(why, -ENOMEM,
		       "the image leaves no hole of %llu MiB for the loader",
		       (unsigned long long)PLAN_HOLE_BYTES >> 20);
}

/* With files for each area, every one of them stays open for the pager. */
static int open_areas(struct load *load, struct why *why)
{
	const struct plan *plan = load->plan;

	load->areas = calloc(plan->nr_paged + 1, sizeof(*load->areas));
	if (!load->areas)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->nr_paged; i++) {
		const struct image_vma *vma =
			&load->dir->image->vmas[plan->paged[i]];
		struct pager_area *area = &load->areas[i];
		int error = 0;

		*area = (struct pager_area){.start = vma->start,
					    .end = vma->end,
					    .fd = load->dir->space};
		if (load->dir->space < 0)
			error = imagedir_open_vma(load->dir, vma, &area->fd,
						  &area->shift_bytes);
		if (error)
			return why_set(why, error,
				       "%s: opening area %lx: %s; use "
				       "--memory=shared",
				       load->dir->path,
				       (unsigned long)vma->start,
				       strerror(-error));
	}
	return 0;
}

static void close_areas(struct load *load)
{
	for (uint32_t i = 0; load->areas && i < load->plan->nr_paged; i++)
		if (load->areas[i].fd > 0 &&
		    load->areas[i].fd != load->dir->space)
			(void)close(load->areas[i].fd);
	free(load->areas);
}

static int fill(struct load *load, struct why *why)
{
	struct why missing = {""};
	int error = imagedir_open(load->options->dir, &load->dir, why);

	if (error)
		return error;
	phases_mark(PHASE_READ);
	load->same_host = check_same_host(load->dir->image);
	load->backing = calloc(1, sizeof(*load->backing));
	if (!load->backing)
		return -ENOMEM;
	*load->backing =
		(struct backing){.dir = load->dir, .facts = &load->facts};
	load->direct =
		nspace_is_direct(load->dir->image, load->options->new_pid);
	load->leads = leads_choose(load->dir->image, (const int[]){0, 1, 2});
	error = gather(load, why);
	if (!error)
		error = check_image(load->dir, &load->facts, why);
	if (!error)
		error = decide_first(load, &missing, why);
	if (!error)
		error = find_live(load);
	if (!error)
		error = open_exe(load, why);
	phases_mark(PHASE_CHECKED);
	if (!error)
		error = find_hole(load, why);
	if (!error)
		error = plan_build(load->dir->image, &load->facts, &load->plan,
				   why);
	if (!error)
		error = open_areas(load, why);
	phases_mark(PHASE_PLANNED);
	if (!error)
		*why = missing;
	return error;
}

int load_open(const struct load_options *options, struct load **ret_load,
	      struct why *why)
{
	struct load *load = calloc(1, sizeof(*load));
	int error;

	if (!load)
		return -ENOMEM;
	load->options = options;
	load->exe_fd = -1;
	error = fill(load, why);
	if (error) {
		load_close(load);
		return why_set(why, error, "%s: %s", options->dir,
			       strerror(-error));
	}
	*ret_load = load;
	return 0;
}

int load_with(const struct load *base, const struct load_options *options,
	      const int stdio[3], struct load *ret_load, struct why *why)
{
	int error;

	*ret_load = *base;
	ret_load->options = options;
	ret_load->leads = leads_choose(base->dir->image, stdio);
	error = decide_fates(ret_load, why);
	if (error)
		load_done_with(ret_load);
	return error;
}

void load_done_with(struct load *load)
{
	free(load->fates);
	load->fates = NULL;
}

static int can_lay(const struct load *load, struct why *why)
{
	const struct plan *plan = load->plan;

	if (plan->nr_objects)
		return why_set(why, -EOPNOTSUPP, "the image has shared memory");
	if (load->options->memory == PLAN_MEMORY_OWN)
		return why_set(why, -EOPNOTSUPP,
			       "--memory=own fills each child's memory");
	if (!load->facts.has_space)
		return why_set(why, -EOPNOTSUPP,
			       "a copied image has a file for each area");
	return lay_fits(plan, why);
}

int load_lay(struct load *load, struct why *why)
{
	struct plan *each = load->plan;
	int error = can_lay(load, why);

	if (error)
		return error;
	load->facts.laid = true;
	error = plan_build(load->dir->image, &load->facts, &load->plan, why);
	if (!error)
		error = lay_do(load->plan, load->dir->space);
	if (error) {
		if (load->plan != each)
			plan_free(load->plan);
		load->plan = each;
		load->facts.laid = false;
		return why_set(why, error, "mapping it ahead: %s",
			       strerror(-error));
	}
	plan_free(each);
	return 0;
}

void load_close(struct load *load)
{
	if (!load)
		return;
	close_areas(load);
	plan_free(load->plan);
	backing_close(load->backing);
	imagedir_close(load->dir);
	cleanup_close(&load->exe_fd);
	free(load->maps.list);
	free(load->backing);
	free(load->fates);
	free((void *)load->facts.vma_inodes);
	free((void *)load->facts.live);
	free((void *)load->facts.credentials.groups);
	free(load);
}
