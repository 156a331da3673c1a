/* SPDX-License-Identifier: MIT */
/*
 * local.c - a read is a copy, done before submit returns
 *
 * Submitters copy side by side without a lock; only the list of what is done
 * is shared.
 *
 * Locks: local.lock guards the list; it is not held during a copy.
 */
#include "rdmafetch/local.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* A submitter holds one place per read from before its copy to the reap. */
#define LOCAL_READS_MAX 256u

struct local {
	struct transport base;
	struct page_source *source;
	pthread_mutex_t lock;
	unsigned nr_held; /* places taken, copies under way included */
	unsigned head, nr_done;
	struct transport_done done[LOCAL_READS_MAX]; /* a ring */
};

static unsigned hold_places(struct local *local, unsigned nr)
{
	unsigned room;

	(void)pthread_mutex_lock(&local->lock);
	room = LOCAL_READS_MAX - local->nr_held;
	if (nr > room)
		nr = room;
	local->nr_held += nr;
	(void)pthread_mutex_unlock(&local->lock);
	return nr;
}

static void put_done(struct local *local, uint64_t token, int result)
{
	unsigned at;

	(void)pthread_mutex_lock(&local->lock);
	at = (local->head + local->nr_done++) % LOCAL_READS_MAX;
	local->done[at].token = token;
	local->done[at].result = result;
	(void)pthread_mutex_unlock(&local->lock);
}

static void drop_places(struct local *local, unsigned nr)
{
	(void)pthread_mutex_lock(&local->lock);
	local->nr_held -= nr;
	(void)pthread_mutex_unlock(&local->lock);
}

static int copy(const struct local *local, const struct transport_read *read)
{
	int err = local->source->read(local->source, read->object, read->raddr,
				      read->buf, read->len_bytes);

	/* No connection can break here: -EIO is about these pages only. */
	return err == -EIO ? -EREMOTEIO : err;
}

static int local_submit(struct transport *transport,
			const struct transport_read *reads, unsigned nr)
{
	struct local *local = (struct local *)transport;
	unsigned held = hold_places(local, nr), i;

	if (!held)
		return -EAGAIN;
	for (i = 0; i < held && transport_read_is_legal(&reads[i]); i++)
		put_done(local, reads[i].token, copy(local, &reads[i]));
	if (i < held)
		drop_places(local, held - i);
	return i ? (int)i : -EINVAL;
}

static int local_reap(struct transport *transport, struct transport_done *done,
		      unsigned max, int timeout_ms)
{
	struct local *local = (struct local *)transport;
	unsigned nr = 0;

	(void)timeout_ms; /* what was submitted is done: nothing to wait for */
	(void)pthread_mutex_lock(&local->lock);
	for (; nr < max && local->nr_done; local->nr_done--) {
		done[nr++] = local->done[local->head];
		local->head = (local->head + 1) % LOCAL_READS_MAX;
	}
	local->nr_held -= nr;
	(void)pthread_mutex_unlock(&local->lock);
	return (int)nr;
}

static int local_copy(struct transport *transport,
		      const struct transport_read *read)
{
	if (!transport_read_is_legal(read))
		return -EINVAL;
	return copy((const struct local *)transport, read);
}

static int local_fd(struct transport *transport)
{
	return -1;
}

static void local_close(struct transport *transport)
{
	struct local *local = (struct local *)transport;

	(void)pthread_mutex_destroy(&local->lock);
	free(local);
}

static const struct transport_ops local_ops = {
	.name = "local",
	.submit = local_submit,
	.reap = local_reap,
	.fd = local_fd,
	.copy = local_copy,
	.close = local_close,
};

int local_open(struct page_source *source, struct transport **ret)
{
	struct local *local = calloc(1, sizeof(*local));

	if (!local)
		return -ENOMEM;
	local->base.ops = &local_ops;
	local->source = source;
	(void)pthread_mutex_init(&local->lock, NULL);
	*ret = &local->base;
	return 0;
}
