/* SPDX-License-Identifier: MIT */
/*
 * pager_child.h - a child whose memory a pager fills, for the pager's tests
 *
 * It lives in two registered areas: A, half of whose pages the image has in
 * runs of eight, and B, huge and almost empty.  The test's process is its
 * supervisor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/pager.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define PAGE	4096ul
#define A	0x200000000000ul
#define A_PAGES 4096ul
#define B	0x210000000000ul
#define B_BYTES (5ul << 30)
#define B_EVERY 65536ul		  /* pages from one present page to the next */
#define SHIFT	(A - (1ul << 20)) /* of addresses to the image's file */

struct run {
	unsigned batch_pages;
	bool push;
	bool let_go;	     /* push all that is missing, of forks too */
	uint64_t most_pages; /* that came by one push */
	int fail_offset;     /* > 0: cut the image's file to this many bytes */
	int status, served;
	struct pager_stats stats;
};

/* True: the image has all of A, in one run. */
extern bool dense;

/* True: the image has a guard region of one page at FENCE, in a hole of A. */
#define FENCE (A + 13 * PAGE)
extern bool fenced;

/* Run @body in a child to its end, or until the pager fails; asserts only what
 * must hold of the harness. */
void run_child(struct run *run, int (*body)(void));

/* As run_child(), and every check of @body held. */
void passes(struct run *run, int (*body)(void));

/* ---- for bodies ---- */

/* Say the first thing that is wrong; the child then ends with 1. */
void check(bool right, const char *what);
extern int wrong;

/* What every word of the image's page at @raddr is; 0 for a hole. */
uint64_t word_of(uint64_t raddr);

volatile uint64_t *at(uint64_t addr);

/* The page at @addr is what the image has for @raddr; is zeros. */
bool is_image(uint64_t addr, uint64_t raddr);
bool is_zero(uint64_t addr);

/* Pseudo-random numbers, from a seed that is not 0. */
uint64_t next(uint64_t *seed);

/* Wait for @pid and return its status. */
int end_of(pid_t pid);

/* Reads every page of A and the present ones of B. */
int read_everything(void);
