/* SPDX-License-Identifier: MIT */
#include "tests/unit/rdmafetch/reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "tests/contract/gate.h"
#include "tests/contract/pattern.h"

static struct image_run runs[201] = {{BASE_PAGE, 256}};

const struct image reader_image = {
	.runs = runs, .nr_runs = 201, .exe_bytes = 100000};

void reader_setup(void)
{
	for (uint64_t i = 1; i < 201; i++)
		runs[i] = (struct image_run){BASE_PAGE + 512 + i * 2, 1};
}

bool reader_page_present(uint64_t page)
{
	for (uint32_t i = 0; i < 201; i++)
		if (page >= runs[i].first_page &&
		    page < runs[i].first_page + runs[i].nr_pages)
			return true;
	return false;
}

bool reader_pages_right(uint64_t page, const void *buf, uint64_t nr_pages)
{
	static const char zeros[PAGE_BYTES];
	const char *at = buf;

	for (uint64_t i = 0; i < nr_pages; i++, page++, at += PAGE_BYTES)
		if (reader_page_present(page)
			    ? !pattern_is(SOURCE_MEMORY, page << PAGE_SHIFT, at,
					  PAGE_BYTES)
			    : memcmp(at, zeros, PAGE_BYTES) != 0)
			return false;
	return true;
}

void reader_check(struct fetch *fetch, uint64_t page, uint64_t nr_pages)
{
	char *buf = malloc(nr_pages << PAGE_SHIFT);

	memset(buf, 0x5a, nr_pages << PAGE_SHIFT);
	assert_int_equal(fetch_fault(fetch, page << PAGE_SHIFT, buf,
				     nr_pages << PAGE_SHIFT),
			 0);
	assert_true(reader_pages_right(page, buf, nr_pages));
	free(buf);
}

static void *reader_main(void *arg)
{
	struct reader *me = arg;

	me->result = fetch_fault(me->fetch, me->page << PAGE_SHIFT, me->buf,
				 me->nr_pages << PAGE_SHIFT);
	return NULL;
}

void reader_start(struct reader *reader, struct fetch *fetch, uint64_t page,
		  uint64_t nr_pages)
{
	*reader = (struct reader){
		fetch, page, nr_pages, malloc(nr_pages << PAGE_SHIFT), 0, -1};
	memset(reader->buf, 0x5a, nr_pages << PAGE_SHIFT);
	assert_int_equal(
		pthread_create(&reader->thread, NULL, reader_main, reader), 0);
}

void reader_end(struct reader *reader, int want)
{
	assert_int_equal(pthread_join(reader->thread, NULL), 0);
	assert_int_equal(reader->result, want);
	if (!want)
		assert_true(reader_pages_right(reader->page, reader->buf,
					       reader->nr_pages));
	free(reader->buf);
}

int reader_lend(struct fetch *fetch, const struct piece *wanted, bool is_fault,
		void *buf)
{
	struct loan loan;
	char *at = buf;
	int err = fetch_lend(fetch, wanted, is_fault, &loan);

	if (err)
		return err;
	for (unsigned i = 0; i < loan.nr; i++) {
		memcpy(at, loan.iov[i].iov_base, loan.iov[i].iov_len);
		at += loan.iov[i].iov_len;
	}
	fetch_return(fetch, &loan);
	return at == (char *)buf + wanted->len_bytes ? 0 : -EMSGSIZE;
}

/* In one of three ways, by @how. */
static int hammer_once(struct reader *me, uint64_t page, uint64_t nr, int how)
{
	struct piece wanted = {page << PAGE_SHIFT, nr << PAGE_SHIFT, me->buf};
	char got[40 << PAGE_SHIFT];
	int err;

	if (!how)
		return fetch_fault(me->fetch, wanted.raddr, me->buf,
				   wanted.len_bytes);
	err = reader_lend(me->fetch, &wanted, how == 1, got);
	memcpy(me->buf, got, err ? 0 : wanted.len_bytes);
	return err;
}

static void *hammer_main(void *arg)
{
	struct reader *me = arg;
	unsigned seed = (unsigned)me->page;

	me->result = 0;
	for (int i = 0; i < 300 && !me->result; i++) {
		uint64_t page = BASE_PAGE + (uint64_t)rand_r(&seed) % 1000;
		uint64_t nr = 1 + (uint64_t)rand_r(&seed) % me->nr_pages;

		me->result = hammer_once(me, page, nr, i % 3);
		if (!me->result && !reader_pages_right(page, me->buf, nr))
			me->result = -EBADMSG;
	}
	return NULL;
}

void reader_hammer(struct fetch *fetch)
{
	enum { NR = 6 };
	struct reader readers[NR];

	for (unsigned i = 0; i < NR; i++) {
		readers[i] = (struct reader){
			fetch, i, 40, malloc(40 << PAGE_SHIFT), 0, -1};
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						hammer_main, &readers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].result, 0);
		free(readers[i].buf);
	}
}

uint64_t reader_waits(struct fetch *fetch, enum latency_how how)
{
	static struct latency latency;

	fetch_get_latency(fetch, &latency);
	return latency.by[how].nr;
}

struct fetch_stats reader_stats(struct fetch *fetch)
{
	struct fetch_stats stats;

	fetch_get_stats(fetch, &stats);
	return stats;
}

bool reader_wait_shared(struct fetch *fetch, uint64_t nr_pages)
{
	for (int i = 0; i < 10000; i++) {
		if (reader_stats(fetch).shared_pages >= nr_pages)
			return true;
		(void)usleep(1000);
	}
	return false;
}

struct fetch *reader_open_gate(const struct fetch_options *options, bool has_fd,
			       struct gate **ret_gate)
{
	struct transport *transport = gate_new(has_fd);
	struct fetch *fetch = NULL;

	*ret_gate = gate_of(transport);
	assert_int_equal(fetch_open(transport, options, &fetch), 0);
	return fetch;
}

void reader_both_ways(void (*test)(bool has_fd))
{
	test(true);
	test(false);
}
