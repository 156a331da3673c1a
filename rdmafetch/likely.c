/* SPDX-License-Identifier: MIT */
#include "rdmafetch/likely.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/page.h"
#include "rdmafetch/pageset.h"

/* Of a stack, from where it stands: farther up are callers of long ago. */
#define STACK_PAGES 64u
/* Of code, before and behind where a thread stands. */
#define CODE_PAGES 32u
#define RUNS_EACH  3u /* of a thread */

/*
 * What the kernel reads before and behind a fault, whosever it is: half of 128
 * KiB.  A fault at the edge of an area waits for all of that.
 */
#define AROUND_PAGES 16u

/* So much before the first page of an area that is touched goes before what is
 * behind it. */
#define NEAR_PAGES 32u

/* A constant area of that many pages at most is as a program's own. */
#define SMALL_PAGES 64u

/* Fewer pages in a run of a working set, on average. */
#define SPARSE_PAGES 4u

#define LIVE_MAX    16u /* files that threads stand in */
#define TOUCHED_MAX 64u

enum class { CLASS_PROGRAM, CLASS_OWN, CLASS_CONSTANT, CLASS_UNLIKELY };

struct area {
	struct prefetch_run run;
	uint64_t present_pages;
	enum class class;
};

struct likely {
	const struct image *image;
	const struct workset *known; /* or NULL */
	struct prefetch_run *stands; /* where threads stand */
	unsigned nr_stands, at_stand;
	struct area *areas; /* in their order */
	unsigned nr_areas, at_area;
	const struct image_vma *live[LIVE_MAX];
	unsigned nr_live;
	bool *seen; /* of each VMA: somebody was there */
	struct prefetch_run touched[TOUCHED_MAX]; /* a ring */
	unsigned first_touched, nr_touched;
};

/* ---- which areas ---- */

static bool is_same_file(const struct image_vma *a, const struct image_vma *b)
{
	return a->kind == IMAGE_VMA_FILE && b->kind == IMAGE_VMA_FILE &&
	       a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor;
}

static bool is_live(const struct likely *likely, const struct image_vma *vma)
{
	for (unsigned i = 0; i < likely->nr_live; i++)
		if (is_same_file(likely->live[i], vma))
			return true;
	return false;
}

static void add_live(struct likely *likely, uint64_t raddr)
{
	const struct image_vma *vma = image_vma_at(likely->image, raddr);

	if (vma && likely->nr_live < LIVE_MAX && !is_live(likely, vma))
		likely->live[likely->nr_live++] = vma;
}

/* Its file is the first that list_live() finds. */
static bool is_program(const struct likely *likely, const struct image_vma *vma)
{
	return likely->nr_live && is_same_file(likely->live[0], vma);
}

/* The program itself, and what its threads are in. */
static void list_live(struct likely *likely)
{
	const struct image *image = likely->image;

	add_live(likely, image->mm.start_code);
	for (uint32_t i = 0; i < image->nr_threads; i++)
		add_live(likely, image->threads[i].regs[REG_RIP_]);
}

static struct prefetch_run all_of(const struct image_vma *vma)
{
	struct prefetch_run run = {page_of(vma->start),
				   page_of(vma->end - vma->start)};

	return run;
}

static uint64_t before(uint64_t page, uint64_t nr_pages)
{
	return page > nr_pages ? page - nr_pages : 0;
}

/* With what a fault in it brings of its neighbours. */
static struct prefetch_run around(struct prefetch_run run)
{
	uint64_t first = before(run.first_page, AROUND_PAGES);
	uint64_t end = run.first_page + run.nr_pages + AROUND_PAGES;

	return (struct prefetch_run){first, end - first};
}

static uint64_t present_in(const struct image *image, struct prefetch_run run)
{
	return image_present_pages(image, run.first_page, run.nr_pages);
}

/* Of a stack only a part is likely: see list_stands(). */
static enum class class_of(const struct likely *likely,
			   const struct image_vma *vma,
			   uint64_t present_pages) {
	if (!present_pages || present_pages > LIKELY_AREA_PAGES ||
	    vma->flags & IMAGE_VMA_RANDOM || vma->kind == IMAGE_VMA_STACK ||
	    vma->kind == IMAGE_VMA_VDSO) return CLASS_UNLIKELY;
	if (vma->prot & (PROT_WRITE | PROT_EXEC) &&
	    is_program(likely, vma)) return CLASS_PROGRAM;
	if (vma->prot & PROT_WRITE) return CLASS_OWN;
	if (!is_live(likely, vma)) return CLASS_UNLIKELY;
	if (vma->prot & PROT_EXEC ||
	    present_pages <= SMALL_PAGES) return CLASS_PROGRAM;
	return CLASS_CONSTANT;
}

static int by_likelihood(const void *left, const void *right)
{
	const struct area *a = left, *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	if (a->present_pages != b->present_pages)
		return a->present_pages < b->present_pages ? -1 : 1;
	return a->run.first_page < b->run.first_page ? -1 : 1;
}

static void list_areas(struct likely *likely)
{
	const struct image *image = likely->image;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		struct area *area = &likely->areas[likely->nr_areas];

		area->run = all_of(&image->vmas[i]);
		area->present_pages = present_in(image, area->run);
		area->class =
			class_of(likely, &image->vmas[i], area->present_pages);
		area->run = around(area->run);
		likely->nr_areas += area->class != CLASS_UNLIKELY;
	}
	qsort(likely->areas, likely->nr_areas, sizeof(*likely->areas),
	      by_likelihood);
}

/* ---- what is known ---- */

/* Recorded page by page (mode=cow), with nothing that was read around them. */
static bool is_sparse(const struct workset *known)
{
	return workset_pages(known) < SPARSE_PAGES * (uint64_t)known->nr;
}

static struct prefetch_run known_run(const struct workset *known, uint32_t i,
				     bool sparse)
{
	struct prefetch_run run = {known->runs[i].first_page,
				   known->runs[i].nr_pages};

	if (!sparse)
		return run;
	/* The kernel reads the page of a fault with 16 before and 15 after. */
	run = around(run);
	run.nr_pages--;
	return run;
}

/*
 * As areas, in their order, and all of them were seen.  A run begins with what
 * none before it had.  Whoever wrote the set may have had no good will: when it
 * has all of the image twice it ends.
 */
static int list_known(struct likely *likely)
{
	static const struct prefetch_run everything = {0, UINT64_MAX >>
								  PAGE_SHIFT};
	const struct workset *known = likely->known;
	bool sparse = is_sparse(known);
	struct pageset *given;
	uint64_t again = 0, all = present_in(likely->image, everything);
	int r = pageset_new(likely->image, &given);

	if (r)
		return r;
	for (uint32_t i = 0; i < known->nr && again <= all; i++) {
		struct prefetch_run run = known_run(known, i, sparse);
		struct prefetch_run first = pageset_missing(given, run, 1);
		uint64_t end = run.first_page + run.nr_pages;

		again += present_in(likely->image, run) -
			 pageset_add(given, run);
		if (first.nr_pages)
			likely->areas[likely->nr_areas++].run =
				(struct prefetch_run){first.first_page,
						      end - first.first_page};
	}
	pageset_free(given);
	for (uint32_t i = 0; i < likely->image->nr_vmas; i++)
		likely->seen[i] = true;
	return 0;
}

/* ---- where threads stand ---- */

/* [@from, @to) as far as it is in the area of @raddr. */
static void add_stand(struct likely *likely, uint64_t raddr, uint64_t from,
		      uint64_t to)
{
	const struct image_vma *vma = image_vma_at(likely->image, raddr);

	if (!vma)
		return;
	if (from < page_of(vma->start))
		from = page_of(vma->start);
	if (to > page_of(vma->end))
		to = page_of(vma->end);
	likely->stands[likely->nr_stands++] =
		(struct prefetch_run){from, to - from};
}

static void list_stands(struct likely *likely)
{
	const struct image *image = likely->image;

	for (uint32_t i = 0; i < image->nr_threads; i++) {
		const uint64_t *regs = image->threads[i].regs;
		uint64_t sp = page_of(regs[REG_RSP_]);
		uint64_t ip = page_of(regs[REG_RIP_]);
		uint64_t tls = page_of(regs[REG_FS_BASE_]);

		add_stand(likely, regs[REG_RSP_], sp, sp + STACK_PAGES);
		add_stand(likely, regs[REG_RIP_], before(ip, CODE_PAGES),
			  ip + CODE_PAGES);
		add_stand(likely, regs[REG_FS_BASE_], before(tls, 1), tls + 1);
	}
}

static int list_guessed(struct likely *likely)
{
	list_live(likely);
	list_stands(likely);
	list_areas(likely);
	return 0;
}

/* ---- what comes next ---- */

static void push_touched(struct likely *likely, uint64_t from, uint64_t to)
{
	unsigned at = likely->first_touched + likely->nr_touched;

	if (from >= to || likely->nr_touched == TOUCHED_MAX)
		return;
	likely->touched[at % TOUCHED_MAX] =
		(struct prefetch_run){from, to - from};
	likely->nr_touched++;
}

void likely_touched(struct likely *likely, struct prefetch_run demand)
{
	const struct image *image = likely->image;
	const struct image_vma *vma =
		image_vma_at(image, demand.first_page << PAGE_SHIFT);
	struct prefetch_run all;
	uint64_t near;

	if (!vma || likely->seen[vma - image->vmas])
		return;
	likely->seen[vma - image->vmas] = true;
	all = all_of(vma);
	if (vma->flags & IMAGE_VMA_RANDOM ||
	    present_in(image, all) > LIKELY_AREA_PAGES)
		return;
	all = around(all);
	near = before(demand.first_page, NEAR_PAGES);
	if (near < all.first_page)
		near = all.first_page;
	push_touched(likely, near, demand.first_page);
	push_touched(likely, demand.first_page + demand.nr_pages,
		     all.first_page + all.nr_pages);
	push_touched(likely, all.first_page, near);
}

static struct prefetch_run cut(struct prefetch_run *run, uint64_t max_pages)
{
	struct prefetch_run head = *run;

	if (head.nr_pages > max_pages)
		head.nr_pages = max_pages;
	run->first_page += head.nr_pages;
	run->nr_pages -= head.nr_pages;
	return head;
}

/*
 * Go to the first page of @run that the image has, if there is one: an area may
 * be large, and what is in it small.
 */
static bool find_present(const struct likely *likely, struct prefetch_run *run)
{
	uint64_t end = run->first_page + run->nr_pages;
	const struct image_run *next =
		image_run_after(likely->image, run->first_page);

	if (!run->nr_pages || !next || next->first_page >= end)
		return false;
	if (next->first_page > run->first_page)
		run->first_page = next->first_page;
	run->nr_pages = end - run->first_page;
	return true;
}

/* The run that is to be cut now, or NULL. */
static struct prefetch_run *current(struct likely *likely)
{
	for (; likely->nr_touched; likely->nr_touched--) {
		struct prefetch_run *run =
			&likely->touched[likely->first_touched];

		if (find_present(likely, run))
			return run;
		likely->first_touched =
			(likely->first_touched + 1) % TOUCHED_MAX;
	}
	for (; likely->at_stand < likely->nr_stands; likely->at_stand++)
		if (find_present(likely, &likely->stands[likely->at_stand]))
			return &likely->stands[likely->at_stand];
	for (; likely->at_area < likely->nr_areas; likely->at_area++)
		if (find_present(likely, &likely->areas[likely->at_area].run))
			return &likely->areas[likely->at_area].run;
	return NULL;
}

struct prefetch_run likely_next(struct likely *likely, uint64_t max_pages)
{
	struct prefetch_run *run = current(likely), none = {0, 0};

	return run ? cut(run, max_pages) : none;
}

/* ---- life ---- */

int likely_new(const struct image *image, const struct workset *known,
	       struct likely **ret)
{
	struct likely *likely = calloc(1, sizeof(*likely));
	size_t nr_areas = known ? known->nr : image->nr_vmas;
	int r;

	if (!likely)
		return -ENOMEM;
	likely->image = image;
	likely->known = known;
	likely->areas = calloc(nr_areas + 1, sizeof(*likely->areas));
	likely->seen = calloc(image->nr_vmas + 1ul, sizeof(*likely->seen));
	likely->stands = calloc(RUNS_EACH * image->nr_threads + 1ul,
				sizeof(*likely->stands));
	if (!likely->areas || !likely->seen || !likely->stands) {
		likely_free(likely);
		return -ENOMEM;
	}
	r = known ? list_known(likely) : list_guessed(likely);
	if (r) {
		likely_free(likely);
		return r;
	}
	*ret = likely;
	return 0;
}

void likely_free(struct likely *likely)
{
	if (!likely)
		return;
	free(likely->areas);
	free(likely->seen);
	free(likely->stands);
	free(likely);
}
