/* SPDX-License-Identifier: MIT */
#include "fs/warm.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/page.h"
#include "fs/passthrough.h"
#include "fs/warmfile.h"
#include "rdmafetch/pageset.h"

#define LOOK_MS 200 /* how soon an end is noticed */

struct warm {
	const struct image *image;
	uint64_t all_pages;
	pthread_mutex_t lock; /* of what follows, up to the atomics */
	pthread_cond_t changed;
	struct pageset *here; /* pages that are in the file */
	enum warm_tier tier;
	char why[WARM_WHY_MAX + 1];
	struct warmfile *_Atomic file; /* NULL: none; set once */
	int backing_id;
	unsigned nr_putting;  /* threads that write into the file */
	atomic_bool takes;    /* pages may still come into the file */
	atomic_int published; /* backing_id, once all is in it */
	atomic_ulong reads;
};

static void set_why(struct warm *warm, const char *why)
{
	(void)snprintf(warm->why, sizeof(warm->why), "%s", why);
}

struct warm *warm_new(const struct image *image, const char *why)
{
	struct warm *warm = calloc(1, sizeof(*warm));

	if (!warm)
		return NULL;
	warm->image = image;
	warm->all_pages =
		image_present_pages(image, 0, UINT64_MAX >> PAGE_SHIFT);
	set_why(warm, why);
	(void)pthread_mutex_init(&warm->lock, NULL);
	(void)pthread_cond_init(&warm->changed, NULL);
	return warm;
}

void warm_abandon(struct warm *warm, const char *why)
{
	warm->takes = false;
	(void)pthread_mutex_lock(&warm->lock);
	if (warm->tier == WARM_FILLING) {
		warm->tier = WARM_COLD;
		set_why(warm, why);
	}
	(void)pthread_cond_broadcast(&warm->changed);
	(void)pthread_mutex_unlock(&warm->lock);
}

/* ---- begin ---- */

/* What @error of one of the two steps of begin() means to a person. */
static void explain(struct warm *warm, const char *step, int error)
{
	if (error == -EPERM)
		set_why(warm, "mitosisfs has no CAP_SYS_ADMIN");
	else if (error == -E2BIG)
		set_why(warm, "the image is in too many pieces");
	else if (error == -ENOSPC)
		set_why(warm, "not enough memory is available");
	else
		(void)snprintf(warm->why, sizeof(warm->why), "%s: %s", step,
			       io_strerror(error));
}

/* Make the file, known to the kernel by a number: above 0, or -errno. */
static int make_file(struct warm *warm, int fuse_fd, struct warmfile **ret)
{
	struct warmfile *file;
	int r = warmfile_open(warm->image, &file);

	if (r) {
		explain(warm, "a tmpfs for it", r);
		return r;
	}
	r = passthrough_add(fuse_fd, warmfile_fd(file));
	if (r < 0) {
		explain(warm, "FUSE passthrough to it", r);
		warmfile_close(file);
		return r;
	}
	*ret = file;
	return r;
}

int warm_begin(struct warm *warm, int fuse_fd, bool has_passthrough)
{
	struct warmfile *file = NULL;
	int r;

	if (!has_passthrough) {
		set_why(warm,
			"this kernel has no FUSE passthrough, which "
			"Linux 6.9 has");
		return -EOPNOTSUPP;
	}
	r = pageset_new(warm->image, &warm->here);
	if (!r)
		r = make_file(warm, fuse_fd, &file);
	if (r < 0)
		return r;
	warm->backing_id = r;
	warm->tier = WARM_FILLING;
	warm->file = file; /* others may look from here on */
	warm->takes = true;
	return 0;
}

/* ---- filling ---- */

static struct prefetch_run run_of(uint64_t raddr, uint64_t len_bytes)
{
	return (struct prefetch_run){page_of(raddr), page_of(len_bytes)};
}

static void note_here(struct warm *warm, struct prefetch_run run)
{
	(void)pthread_mutex_lock(&warm->lock);
	(void)pageset_add(warm->here, run);
	if (pageset_count(warm->here) == warm->all_pages)
		(void)pthread_cond_broadcast(&warm->changed);
	(void)pthread_mutex_unlock(&warm->lock);
}

/* The first run of @range that the image has and the file has not. */
static struct prefetch_run missing(struct warm *warm, struct prefetch_run range)
{
	struct prefetch_run run;

	(void)pthread_mutex_lock(&warm->lock);
	run = pageset_missing(warm->here, range, range.nr_pages);
	(void)pthread_mutex_unlock(&warm->lock);
	return run;
}

/* Before and after writing: nobody writes when the file is being closed. */
static bool begin_put(struct warm *warm)
{
	bool takes;

	(void)pthread_mutex_lock(&warm->lock);
	takes = warm->takes;
	warm->nr_putting += takes;
	(void)pthread_mutex_unlock(&warm->lock);
	return takes;
}

static void end_put(struct warm *warm)
{
	(void)pthread_mutex_lock(&warm->lock);
	if (--warm->nr_putting == 0)
		(void)pthread_cond_broadcast(&warm->changed);
	(void)pthread_mutex_unlock(&warm->lock);
}

/* Copy the pages of @run, which are at @buf: whether there was memory. */
static bool put(struct warm *warm, struct prefetch_run run, const char *buf)
{
	int r = warm->takes ? warmfile_put(warm->file, run.first_page,
					   run.nr_pages, buf)
			    : -ENOTSUP;

	if (r == -ENOTSUP || r == -EFAULT)
		return false;
	if (r) {
		warm_abandon(warm, "no memory for all of the image");
		return false;
	}
	note_here(warm, run);
	return true;
}

/* Copy what is missing of @range, whose first page is at @buf. */
static bool put_missing(struct warm *warm, struct prefetch_run range,
			const char *buf)
{
	uint64_t end = range.first_page + range.nr_pages;
	struct prefetch_run run = missing(warm, range);

	while (run.nr_pages) {
		if (!put(warm, run,
			 buf + ((run.first_page - range.first_page)
				<< PAGE_SHIFT)))
			return false;
		run.first_page += run.nr_pages;
		run.nr_pages = end - run.first_page;
		run = missing(warm, run);
	}
	return true;
}

bool warm_take(struct warm *warm, uint64_t first_page, uint64_t nr_pages,
	       const void *buf)
{
	struct prefetch_run run = {first_page, nr_pages};
	bool has;

	if (!warm->takes || !begin_put(warm))
		return false;
	has = put_missing(warm, run, buf);
	end_put(warm);
	return has;
}

/* ---- reading ---- */

/* Pages of @range that are all here, or holes. */
static void copy_out(const struct warm *warm, struct prefetch_run range,
		     char *buf)
{
	const struct image *image = warm->image;
	const struct image_run *run = image_run_after(image, range.first_page);
	uint64_t at = range.first_page, end = at + range.nr_pages;

	for (; at < end; run++) {
		uint64_t from = end, to = end;

		if (run && run < image->runs + image->nr_runs &&
		    run->first_page < end) {
			from = run->first_page > at ? run->first_page : at;
			to = run->first_page + run->nr_pages;
			to = to < end ? to : end;
		}
		memset(buf, 0, (from - at) << PAGE_SHIFT);
		buf += (from - at) << PAGE_SHIFT;
		if (from < to)
			memcpy(buf, warmfile_at(warm->file, from, to - from),
			       (to - from) << PAGE_SHIFT);
		buf += (to - from) << PAGE_SHIFT;
		at = to;
	}
}

size_t warm_read(struct warm *warm, uint64_t raddr, void *buf, size_t len_bytes)
{
	struct prefetch_run range = run_of(raddr, len_bytes), absent;

	if (!warm->file)
		return 0;
	absent = missing(warm, range);
	if (absent.nr_pages)
		range.nr_pages = absent.first_page - range.first_page;
	if (!range.nr_pages)
		return 0;
	copy_out(warm, range, buf);
	warm->reads++;
	return range.nr_pages << PAGE_SHIFT;
}

size_t warm_absent(struct warm *warm, uint64_t raddr, size_t len_bytes)
{
	struct prefetch_run range = run_of(raddr, len_bytes), absent;

	if (!warm->file)
		return len_bytes;
	absent = missing(warm, range);
	if (!absent.nr_pages || absent.first_page != range.first_page)
		return 0;
	return absent.nr_pages << PAGE_SHIFT;
}

/* ---- the end ---- */

static bool is_whole(const struct warm *warm)
{
	return pageset_count(warm->here) == warm->all_pages &&
	       !warm->nr_putting;
}

/*
 * Pages that faults have brought may still be on their way into the file.  When
 * all are there none comes any more.
 */
static int wait_for_all(struct warm *warm, int (*must_end)(void *arg),
			void *arg)
{
	int r = 0;

	(void)pthread_mutex_lock(&warm->lock);
	while (!r && warm->tier == WARM_FILLING && !is_whole(warm)) {
		struct timespec until = io_in_ms(LOOK_MS);

		(void)pthread_cond_clockwait(&warm->changed, &warm->lock,
					     CLOCK_MONOTONIC, &until);
		(void)pthread_mutex_unlock(&warm->lock);
		r = must_end(arg) ? -ECANCELED : 0;
		(void)pthread_mutex_lock(&warm->lock);
	}
	if (!r && warm->tier != WARM_FILLING)
		r = -ENOTSUP;
	if (!r)
		warm->takes = false;
	(void)pthread_mutex_unlock(&warm->lock);
	return r;
}

int warm_publish(struct warm *warm, int (*must_end)(void *arg), void *arg)
{
	int r = wait_for_all(warm, must_end, arg);

	if (r)
		return r;
	r = warmfile_seal(warm->file);
	if (r) {
		warm_abandon(warm, "its file cannot be closed for writing");
		return r;
	}
	(void)pthread_mutex_lock(&warm->lock);
	warm->tier = WARM_WARM;
	(void)pthread_mutex_unlock(&warm->lock);
	warm->published = warm->backing_id;
	return 0;
}

int warm_backing_id(const struct warm *warm)
{
	return warm->published;
}

void warm_get_state(struct warm *warm, struct warm_state *ret_state)
{
	*ret_state = (struct warm_state){.reads = warm->reads};
	(void)pthread_mutex_lock(&warm->lock);
	ret_state->tier = warm->tier;
	if (warm->tier == WARM_COLD)
		memcpy(ret_state->why, warm->why, sizeof(warm->why));
	(void)pthread_mutex_unlock(&warm->lock);
	if (!warm->file)
		return;
	ret_state->file_bytes = warmfile_bytes(warm->file);
	ret_state->waste_bytes = warmfile_waste_bytes(warm->file);
}

const char *warm_tier_word(enum warm_tier tier)
{
	static const char *const words[] = {
		[WARM_COLD] = "cold",
		[WARM_FILLING] = "filling",
		[WARM_WARM] = "warm",
	};

	return words[tier];
}

void warm_free(struct warm *warm)
{
	if (!warm)
		return;
	warmfile_close(warm->file);
	pageset_free(warm->here);
	(void)pthread_cond_destroy(&warm->changed);
	(void)pthread_mutex_destroy(&warm->lock);
	free(warm);
}
