/* SPDX-License-Identifier: MIT */
/*
 * check.c - one function for each reason to refuse
 */
#include "loader/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/cpu.h"
#include "common/io.h"
#include "common/page.h"
#include "loader/vdso.h"

#define VDSO_BYTES_MAX 65536u
#define MAPS_SPARE     64u    /* what we need beside the image's own */
#define MAPS_CERTAIN   30000u /* below half of the kernel's default */

bool check_same_host(const struct image *image)
{
	CLEANUP_FREE char *boot_id = NULL;
	size_t len;

	if (io_slurp_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64,
			&boot_id, &len))
		return false;
	boot_id[strcspn(boot_id, "\n")] = '\0';
	return image->boot_id[0] && !strcmp(boot_id, image->boot_id);
}

static int check_cpu(const struct image *image, struct why *why)
{
	uint32_t have[IMAGE_CPU_WORDS];
	uint64_t xfeatures, lost;
	const char *missing;

	if (sysconf(_SC_PAGESIZE) != (long)PAGE_BYTES)
		return why_set(why, -EOPNOTSUPP,
			       "this host has pages of %ld bytes, the image of "
			       "%lu",
			       sysconf(_SC_PAGESIZE), PAGE_BYTES);
	cpu_read(have, &xfeatures);
	missing = cpu_missing(image->cpu_features, have);
	lost = image->xfeatures & ~xfeatures;
	if (!missing && lost)
		missing = cpu_xfeature_name(lost);
	if (!missing)
		return 0;
	return why_set(why, -EOPNOTSUPP,
		       "this CPU lacks %s, which the parent's has", missing);
}

static const struct image_vma *image_vdso(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (image->vmas[i].kind == IMAGE_VMA_VDSO)
			return &image->vmas[i];
	return NULL;
}

/* The code must be the same to the last byte: pointers into it are kept. */
static int check_vdso_bytes(const struct imagedir *dir,
			    const struct place_maps *maps, struct why *why)
{
	const struct image_vma *vma = image_vdso(dir->image);
	CLEANUP_FREE uint8_t *theirs = NULL;
	CLEANUP_CLOSE int fd = -1;
	size_t bytes;
	const void *own = vdso_code(maps, &bytes);
	uint64_t shift;
	int error;

	if (!vma)
		return 0;
	error = bytes <= VDSO_BYTES_MAX ? 0 : -EFBIG;
	if (!error && !(theirs = malloc(VDSO_BYTES_MAX)))
		error = -ENOMEM;
	if (!error)
		error = imagedir_open_vma(dir, vma, &fd, &shift);
	if (!error)
		error = io_pread_all(fd, theirs, bytes,
				     (off_t)(vma->start - shift));
	if (error)
		return why_set(why, error, "reading the image's vdso: %s",
			       strerror(-error));
	if (!memcmp(own, theirs, bytes))
		return 0;
	return why_set(why, -EOPNOTSUPP,
		       "the image comes from another kernel build (its vdso "
		       "differs): parent %s",
		       dir->image->kernel);
}

static int check_vdso(const struct imagedir *dir,
		      const struct plan_facts *facts, struct why *why)
{
	int error = vdso_check_layout(dir->image, facts->maps, why);

	if (error)
		return error;
	/* One boot has one vdso; reading it may cost a trip to the parent. */
	if (facts->same_host)
		return 0;
	return check_vdso_bytes(dir, facts->maps, why);
}

static int check_noexec(const struct imagedir *dir, struct why *why)
{
	const struct image *image = dir->image;

	for (uint32_t i = 0; dir->noexec && i < image->nr_vmas; i++)
		if (image->vmas[i].kind == IMAGE_VMA_FILE &&
		    image->vmas[i].prot & PROT_EXEC)
			return why_set(why, -EACCES,
				       "%s is on a mount with noexec, and the "
				       "image's code must be mapped from it: "
				       "mount it with exec, or copy the image",
				       dir->path);
	return 0;
}

static int read_number(const char *path, uint64_t *ret)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int error = io_slurp_at(AT_FDCWD, path, 64, &text, &len);

	if (error)
		return error;
	*ret = strtoull(text, NULL, 10);
	return 0;
}

static int check_map_count(const struct image *image, struct why *why)
{
	uint64_t most;

	if (image->nr_vmas < MAPS_CERTAIN ||
	    read_number("/proc/sys/vm/max_map_count", &most) ||
	    image->nr_vmas + MAPS_SPARE <= most)
		return 0;
	return why_set(why, -E2BIG,
		       "the image has %u maps and vm.max_map_count is %llu: "
		       "raise it",
		       image->nr_vmas, (unsigned long long)most);
}

static int check_pids(const struct image *image, struct why *why)
{
	int32_t highest = image->pid;
	uint64_t most;

	for (uint32_t i = 0; i < image->nr_threads; i++)
		if (image->threads[i].tid > highest)
			highest = image->threads[i].tid;
	if (read_number("/proc/sys/kernel/pid_max", &most) ||
	    (uint64_t)highest < most)
		return 0;
	return why_set(
		why, -EOPNOTSUPP,
		"the image uses pid %d and kernel.pid_max is %llu: raise "
		"it, or use --pid=new",
		highest, (unsigned long long)most);
}

/* Whose CPU time a clock counts, for clock_getcpuclockid(3); 0: its owner's. */
static int32_t clock_of(int32_t clockid)
{
	return clockid < 0 ? ~(clockid >> 3) : 0;
}

/* Such a clock has a number in it that --pid=new does not give. */
static int check_timers(const struct image *image, struct why *why)
{
	for (uint32_t i = 0; i < image->nr_timers; i++) {
		const int32_t id = clock_of(image->timers[i].clockid);

		if (id)
			return why_set(why, -EOPNOTSUPP,
				       "POSIX timer %d runs on the CPU time of "
				       "the process or thread %d, which "
				       "--pid=new cannot keep",
				       image->timers[i].id, id);
	}
	return 0;
}

int check_image(const struct imagedir *dir, const struct plan_facts *facts,
		struct why *why)
{
	const struct image *image = dir->image;
	int error = facts->same_host ? 0 : check_cpu(image, why);

	if (!error)
		error = frame_check(image, &facts->xsave, why);
	if (!error)
		error = check_vdso(dir, facts, why);
	if (!error)
		error = check_noexec(dir, why);
	if (!error)
		error = check_map_count(image, why);
	if (!error)
		error = credentials_check(image, &facts->credentials, why);
	if (!error)
		error = facts->new_pid ? check_timers(image, why)
				       : check_pids(image, why);
	return error;
}
