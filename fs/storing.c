/* SPDX-License-Identifier: MIT */
#include "fs/storing.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/page.h"

/* One page cache store at a time, small enough for a kernel pipe buffer. */
#define STORE_BYTES (64ul << 10)

void storing_init(struct storing *storing)
{
	(void)pthread_mutex_init(&storing->lock, NULL);
	(void)pthread_cond_init(&storing->change, NULL);
}

/* From waiting to @state. */
static void go(struct storing *storing, int state)
{
	(void)pthread_mutex_lock(&storing->lock);
	if (storing->state == STORING_WAITS)
		storing->state = state;
	(void)pthread_cond_broadcast(&storing->change);
	(void)pthread_mutex_unlock(&storing->lock);
}

void storing_begin(struct storing *storing)
{
	go(storing, STORING_GOES);
}

void storing_end(struct storing *storing)
{
	go(storing, STORING_ENDED);
}

void storing_stop(struct storing *storing)
{
	(void)pthread_mutex_lock(&storing->lock);
	storing->state = STORING_ENDED;
	(void)pthread_cond_broadcast(&storing->change);
	(void)pthread_mutex_unlock(&storing->lock);
}

static bool may_store(struct storing *storing)
{
	bool may;

	(void)pthread_mutex_lock(&storing->lock);
	while (storing->state == STORING_WAITS)
		(void)pthread_cond_wait(&storing->change, &storing->lock);
	may = storing->state == STORING_GOES;
	(void)pthread_mutex_unlock(&storing->lock);
	return may;
}

static int store(const struct storing *storing, uint64_t raddr, const char *buf,
		 size_t len_bytes)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(len_bytes);

	vec.buf[0].mem = (char *)buf;
	return fuse_lowlevel_notify_store(storing->fuse, storing->ino,
					  (off_t)raddr, &vec, 0);
}

/* A page that cannot be stored is fetched on demand. */
int storing_sink(void *arg, uint64_t first_page, uint64_t nr_pages,
		 const void *buf)
{
	struct storing *storing = arg;
	uint64_t raddr = first_page << PAGE_SHIFT;
	size_t left = nr_pages << PAGE_SHIFT, done = 0;

	if (!may_store(storing))
		return -ECANCELED;
	if (warm_take(storing->warm, first_page, nr_pages, buf))
		return 0;
	while (left) {
		size_t now = left < STORE_BYTES ? left : STORE_BYTES;
		int r = store(storing, raddr + done, (const char *)buf + done,
			      now);

		if (r)
			return r;
		done += now;
		left -= now;
	}
	return 0;
}
