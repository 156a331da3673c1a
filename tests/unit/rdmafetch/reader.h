/* SPDX-License-Identifier: MIT */
/*
 * reader.h - a test image, and threads that read it through a fetch
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "rdmafetch/fetch.h"

#define BASE_PAGE 0x7f0000000ull
#define BASE	  (BASE_PAGE << 12)

/*
 * A solid MiB, a hole as long, then 200 single pages with a hole behind each;
 * an executable of 100,000 bytes.
 */
extern const struct image reader_image;
#define READER_PRESENT_PAGES 456u

/* Must run before anything else here. */
void reader_setup(void);

bool reader_page_present(uint64_t page);

/* Whether @buf is what the image has from @page on. */
bool reader_pages_right(uint64_t page, const void *buf, uint64_t nr_pages);

/* Read in this thread and check every byte. */
void reader_check(struct fetch *fetch, uint64_t page, uint64_t nr_pages);

/*
 * Read without copies what lies here, for a fault or not, into @buf at last: as
 * fetch_read().
 */
int reader_lend(struct fetch *fetch, const struct piece *wanted, bool is_fault,
		void *buf);

struct reader {
	struct fetch *fetch;
	uint64_t page, nr_pages;
	char *buf;
	pthread_t thread;
	int result;
};

/* Read in a thread of its own; the end wants @want, and right bytes if 0. */
void reader_start(struct reader *reader, struct fetch *fetch, uint64_t page,
		  uint64_t nr_pages);
void reader_end(struct reader *reader, int want);

/* Six threads read at random and check every byte. */
void reader_hammer(struct fetch *fetch);

struct fetch_stats reader_stats(struct fetch *fetch);

/* How many reads of memory waited for @how. */
uint64_t reader_waits(struct fetch *fetch, enum latency_how how);

/* Wait until that many pages were found in flight; false after 10 s. */
bool reader_wait_shared(struct fetch *fetch, uint64_t nr_pages);

/*
 * A fetch over a new gate (tests/contract/gate.h), which lives as long; with
 * @has_fd the transport can be polled.
 */
struct gate;
struct fetch *reader_open_gate(const struct fetch_options *options, bool has_fd,
			       struct gate **ret_gate);

/* Once with a transport that can be polled, once with one that cannot. */
void reader_both_ways(void (*test)(bool has_fd));
