/* SPDX-License-Identifier: MIT */
/*
 * null.c - a transport with no far end, and the contract at its smallest
 *
 * One table of reads in the order they came.  A buffer is filled when its read
 * is reaped, not before: whoever looks too early sees it.
 *
 * Locks: null.lock guards everything; it is let go while reap sleeps.
 */
#include "rdmafetch/null.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/io.h"

#define NULL_READS_MAX 256u
#define NEVER	       UINT64_MAX

struct null_read {
	struct transport_read read;
	uint64_t due_ns; /* NEVER: lost */
	int result;
};

struct null {
	struct transport base;
	struct null_options options;
	pthread_mutex_t lock;
	pthread_cond_t more; /* something was submitted, or fell due early */
	struct null_read reads[NULL_READS_MAX];
	unsigned nr_reads;
	uint64_t nr_submitted;
	unsigned group_left; /* of a reversed group being handed out */
	bool broken;
};

uint64_t null_word(uint32_t object, uint64_t raddr)
{
	/* The finalizer of splitmix64: neighbours differ in every byte. */
	uint64_t x = (raddr >> 3) + ((uint64_t)object << 61) + 1;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void fill(const struct transport_read *read)
{
	uint8_t *out = read->buf;
	uint64_t raddr = read->raddr, end = raddr + read->len_bytes;

	while (raddr < end) {
		uint64_t word = null_word(read->object, raddr & ~7ull);
		unsigned skip = raddr & 7, take = 8 - skip;

		if (take > end - raddr)
			take = (unsigned)(end - raddr);
		memcpy(out, (uint8_t *)&word + skip, take);
		out += take;
		raddr += take;
	}
}

static void break_all(struct null *null)
{
	null->broken = true;
	for (unsigned i = 0; i < null->nr_reads; i++) {
		null->reads[i].due_ns = 0;
		null->reads[i].result = -EIO;
	}
}

static void take(struct null *null, const struct transport_read *read)
{
	const struct null_options *options = &null->options;
	struct null_read *slot = &null->reads[null->nr_reads++];
	uint64_t nr = ++null->nr_submitted;

	slot->read = *read;
	slot->result = 0;
	slot->due_ns =
		options->delay_ns ? io_monotonic_ns() + options->delay_ns : 0;
	if (options->fail_every && nr % options->fail_every == 0)
		slot->result = options->fail_result;
	if (options->lose_every && nr % options->lose_every == 0)
		slot->due_ns = NEVER;
	if (null->broken || (options->break_after && nr > options->break_after))
		break_all(null);
}

static int null_submit(struct transport *transport,
		       const struct transport_read *reads, unsigned nr)
{
	struct null *null = (struct null *)transport;
	unsigned taken = 0;
	int err = -EAGAIN;

	(void)pthread_mutex_lock(&null->lock);
	for (; taken < nr && null->nr_reads < NULL_READS_MAX; taken++) {
		if (!transport_read_is_legal(&reads[taken])) {
			err = -EINVAL;
			break;
		}
		take(null, &reads[taken]);
	}
	(void)pthread_cond_signal(&null->more);
	(void)pthread_mutex_unlock(&null->lock);
	return taken ? (int)taken : err;
}

/* The place of the next read to hand out, or nr_reads when none is due. */
static unsigned next_due(struct null *null, uint64_t now)
{
	unsigned group = null->options.reorder ? null->options.reorder : 1;
	unsigned due[NULL_READS_MAX], nr_due = 0;

	for (unsigned i = 0; i < null->nr_reads; i++)
		if (null->reads[i].due_ns <= now)
			due[nr_due++] = i;
	if (!nr_due)
		return null->nr_reads;
	if (!null->group_left || null->group_left > nr_due)
		null->group_left = nr_due < group ? nr_due : group;
	return due[--null->group_left];
}

static unsigned hand_out(struct null *null, struct transport_done *done,
			 unsigned max)
{
	uint64_t now = io_monotonic_ns();
	unsigned nr = 0, at;

	while (nr < max && (at = next_due(null, now)) < null->nr_reads) {
		struct null_read *slot = &null->reads[at];

		if (!slot->result)
			fill(&slot->read);
		done[nr].token = slot->read.token;
		done[nr++].result = slot->result;
		null->nr_reads--;
		memmove(slot, slot + 1, (null->nr_reads - at) * sizeof(*slot));
	}
	return nr;
}

/* Sleep until something may be due, at most to @until_ns. */
static void nap(struct null *null, uint64_t until_ns)
{
	struct timespec t;

	for (unsigned i = 0; i < null->nr_reads; i++)
		if (null->reads[i].due_ns < until_ns)
			until_ns = null->reads[i].due_ns;
	if (until_ns == NEVER) {
		(void)pthread_cond_wait(&null->more, &null->lock);
		return;
	}
	t.tv_sec = (time_t)(until_ns / 1000000000u);
	t.tv_nsec = (long)(until_ns % 1000000000u);
	(void)pthread_cond_timedwait(&null->more, &null->lock, &t);
}

static int null_reap(struct transport *transport, struct transport_done *done,
		     unsigned max, int timeout_ms)
{
	struct null *null = (struct null *)transport;
	uint64_t until = NEVER;
	unsigned nr;

	if (timeout_ms >= 0)
		until = io_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
	(void)pthread_mutex_lock(&null->lock);
	while (!(nr = hand_out(null, done, max)) && null->nr_reads &&
	       timeout_ms && io_monotonic_ns() < until)
		nap(null, until);
	(void)pthread_mutex_unlock(&null->lock);
	return (int)nr;
}

static int null_fd(struct transport *transport)
{
	return -1;
}

static void null_close(struct transport *transport)
{
	struct null *null = (struct null *)transport;

	(void)pthread_cond_destroy(&null->more);
	(void)pthread_mutex_destroy(&null->lock);
	free(null);
}

static const struct transport_ops null_ops = {
	.name = "null",
	.submit = null_submit,
	.reap = null_reap,
	.fd = null_fd,
	.close = null_close,
};

int null_open(const struct null_options *options, struct transport **ret)
{
	struct null *null = calloc(1, sizeof(*null));
	pthread_condattr_t attr;

	if (!null)
		return -ENOMEM;
	null->base.ops = &null_ops;
	if (options)
		null->options = *options;
	(void)pthread_mutex_init(&null->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&null->more, &attr);
	(void)pthread_condattr_destroy(&attr);
	*ret = &null->base;
	return 0;
}
