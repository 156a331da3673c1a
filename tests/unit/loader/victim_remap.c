/* SPDX-License-Identifier: MIT */
/* Victims that resize and move their maps. */
#include "victim.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static int done(void)
{
	return victim_failures() != 0;
}

static void *room(size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

/* realloc() of a block with a map of its own. */
static int reallocs(void)
{
	size_t have = 1u << 20;
	unsigned char *p = malloc(have);

	memset(p, 0x5a, have);
	victim_checkpoint();
	for (size_t want = 2u << 20; want <= 32u << 20; want *= 2) {
		p = realloc(p, want);
		memset(p + have, 0x5a, want - have);
		have = want;
	}
	victim_check(victim_is(p, have, 0x5a), "grown");
	p = realloc(p, 3u << 20);
	p = realloc(p, 9u << 20);
	victim_check(victim_is(p, 3u << 20, 0x5a), "shrunk and grown");
	free(p);
	return done();
}

/* Each way to call it, on a fresh area of 64 pages. */
static void regrow(unsigned char *p)
{
	p = mremap(p, 64 * PAGE, 32 * PAGE, 0);
	p = mremap(p, 32 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	if (p == MAP_FAILED) {
		victim_check(false, "regrow");
		return;
	}
	victim_check(victim_is(p, 32 * PAGE, 0x5b), "regrow: kept");
	victim_check(victim_is(p + 32 * PAGE, 32 * PAGE, 0), "regrow: zero");
	p = mremap(p, 64 * PAGE, 256 * PAGE, MREMAP_MAYMOVE);
	if (p == MAP_FAILED) {
		victim_check(false, "second growth");
		return;
	}
	victim_check(victim_is(p, 32 * PAGE, 0x5b), "second growth: kept");
	victim_check(victim_is(p + 32 * PAGE, 224 * PAGE, 0),
		     "second growth: zero");
}

static void leave_copy(unsigned char *p)
{
	unsigned char *q = mremap(p, 64 * PAGE, 64 * PAGE,
				  MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (q == MAP_FAILED) {
		victim_check(false, "DONTUNMAP");
		return;
	}
	victim_check(victim_is(q, 64 * PAGE, 0x5b), "DONTUNMAP: moved");
	victim_check(victim_is(p, 64 * PAGE, 0), "DONTUNMAP: old is zero");
}

static void move_and_grow(unsigned char *p)
{
	unsigned char *to = room(128);
	unsigned char *q = mremap(p, 64 * PAGE, 128 * PAGE,
				  MREMAP_MAYMOVE | MREMAP_FIXED, to);

	if (q == MAP_FAILED) {
		victim_check(false, "FIXED growth");
		return;
	}
	victim_check(q == to && victim_is(q, 64 * PAGE, 0x5b), "FIXED: moved");
	victim_check(victim_is(q + 64 * PAGE, 64 * PAGE, 0), "FIXED: zero");
	(void)madvise(q, 64 * PAGE, MADV_DONTNEED);
	victim_check(victim_is(q, 64 * PAGE, 0), "dropped after the move");
}

/* An area that drops have cut moves and shrinks as one. */
static void move_cut(unsigned char *p)
{
	unsigned char *to = room(48), *q;

	(void)madvise(p + 8 * PAGE, 8 * PAGE, MADV_DONTNEED);
	(void)madvise(p + 32 * PAGE, 8 * PAGE, MADV_DONTNEED);
	p[33 * PAGE] = 7;
	q = mremap(p, 64 * PAGE, 48 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (q == MAP_FAILED) {
		victim_check(false, "cut area");
		return;
	}
	victim_check(victim_is(q, 8 * PAGE, 0x5b) &&
			     victim_is(q + 8 * PAGE, 8 * PAGE, 0) &&
			     victim_is(q + 16 * PAGE, 16 * PAGE, 0x5b) &&
			     q[33 * PAGE] == 7 &&
			     victim_is(q + 34 * PAGE, 6 * PAGE, 0) &&
			     victim_is(q + 40 * PAGE, 8 * PAGE, 0x5b),
		     "cut area: content");
}

static void refusals(unsigned char *p)
{
	victim_check(mremap(p, 64 * PAGE, 64 * PAGE,
			    MREMAP_MAYMOVE | MREMAP_FIXED,
			    p + 8 * PAGE) == MAP_FAILED &&
			     errno == EINVAL,
		     "overlap: EINVAL");
	victim_check(mremap(p, 64 * PAGE, 128 * PAGE, MREMAP_FIXED,
			    p + 80 * PAGE) == MAP_FAILED &&
			     errno == EINVAL,
		     "FIXED without MAYMOVE: EINVAL");
	victim_check(mremap(p, 64 * PAGE, 1ul << 46, MREMAP_MAYMOVE) ==
				     MAP_FAILED &&
			     errno == ENOMEM,
		     "too large: ENOMEM");
	(void)munmap(p + 4 * PAGE, PAGE);
	victim_check(mremap(p, 64 * PAGE, 65 * PAGE, MREMAP_MAYMOVE) ==
				     MAP_FAILED &&
			     errno == EFAULT,
		     "hole: EFAULT");
	victim_check(victim_is(p, 4 * PAGE, 0x5b), "refusals change nothing");
}

static int ways(void)
{
	static void (*const cases[])(unsigned char *) = {
		regrow, leave_copy, move_and_grow, move_cut, refusals,
	};
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	unsigned char *areas[CASES];

	for (int i = 0; i < CASES; i++) {
		(void)victim_pages(1, 1); /* no two areas touch */
		areas[i] = victim_pages(64, 0x5b);
		(void)mprotect(areas[i] - PAGE, PAGE, PROT_NONE);
	}
	victim_checkpoint();
	for (int i = 0; i < CASES; i++)
		cases[i](areas[i]);
	return done();
}

/* ---- random operations against a model of one byte per page ---- */

#define MODEL_MAX 512u

struct model {
	unsigned char *at;
	size_t pages;
	unsigned char byte[MODEL_MAX];
	uint64_t seed;
};

static size_t below(struct model *m, size_t n)
{
	m->seed ^= m->seed << 13;
	m->seed ^= m->seed >> 7;
	m->seed ^= m->seed << 17;
	return (m->seed >> 16) % n;
}

static void verify(const struct model *m, const char *what)
{
	for (size_t i = 0; i < m->pages; i++)
		victim_check(m->at[i * PAGE] == m->byte[i] &&
				     m->at[i * PAGE + PAGE - 1] == m->byte[i],
			     what);
}

static void write_some(struct model *m)
{
	size_t first = below(m, m->pages), n = 1 + below(m, 8);

	for (size_t i = first; i < m->pages && n--; i++) {
		m->byte[i] = (unsigned char)(1 + below(m, 255));
		memset(m->at + i * PAGE, m->byte[i], PAGE);
	}
}

static void drop_some(struct model *m)
{
	size_t first = below(m, m->pages);
	size_t n = 1 + below(m, m->pages - first);

	victim_check(!madvise(m->at + first * PAGE, n * PAGE, MADV_DONTNEED),
		     "drop");
	memset(m->byte + first, 0, n);
}

static void resize(struct model *m)
{
	size_t pages = 1 + below(m, MODEL_MAX);
	bool fixed = below(m, 3) == 0;
	void *to = fixed ? room(pages) : NULL;
	void *p = mremap(m->at, m->pages * PAGE, pages * PAGE,
			 MREMAP_MAYMOVE | (fixed ? MREMAP_FIXED : 0), to);

	if (p == MAP_FAILED) {
		victim_check(false, "resize");
		return;
	}
	if (pages > m->pages)
		memset(m->byte + m->pages, 0, pages - m->pages);
	m->at = p;
	m->pages = pages;
}

static void swap_away(struct model *m)
{
	void *p = mremap(m->at, m->pages * PAGE, m->pages * PAGE,
			 MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (p == MAP_FAILED) {
		victim_check(false, "swap");
		return;
	}
	victim_check(victim_is(m->at, m->pages * PAGE, 0), "swap: old zero");
	(void)munmap(m->at, m->pages * PAGE);
	m->at = p;
}

static int fuzz(void)
{
	static struct model m = {.pages = 256, .seed = 88172645463325252ull};

	m.at = victim_pages(m.pages, 0);
	for (int i = 0; i < 200; i++)
		write_some(&m);
	for (int i = 0; i < 3000 && !victim_failures(); i++) {
		size_t op = below(&m, 16);

		if (i % 50 == 0) {
			victim_checkpoint();
			verify(&m, "fuzz: after a checkpoint");
		}

		if (op < 8)
			write_some(&m);
		else if (op < 13)
			drop_some(&m);
		else if (op < 15)
			resize(&m);
		else
			swap_away(&m);
		if (i % 8 == 0)
			verify(&m, "fuzz: against the model");
	}
	return done();
}

const struct victim victims_remap[] = {
	{"reallocs", reallocs},
	{"remap-ways", ways},
	{"remap-fuzz", fuzz},
	{NULL},
};
