/* SPDX-License-Identifier: MIT */
/* threadbuf.c - see threadbuf.h */
#include "fs/threadbuf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/page.h"
#include "rdmafetch/fetch.h"

/*
 * What a read of the kernel's usual read-around takes: 128 KiB, and a page
 * where it begins inside one.  A piece that grows must be made known anew.
 */
#define MIN_BYTES (33 * PAGE_BYTES)

struct threadbuf {
	struct threadbuf *next;
	struct fetch *fetch;
	void *mem;
	size_t len_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct threadbuf *all; /* under lock, and so is what they end with */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;

static void drop_memory(struct threadbuf *own)
{
	if (own->mem)
		fetch_release_buffer(own->fetch, own->mem);
	free(own->mem);
	own->mem = NULL;
	own->len_bytes = 0;
}

/* Its thread ends; the fetch may have ended before. */
static void thread_ends(void *arg)
{
	struct threadbuf *own = arg, **at = &all;

	(void)pthread_mutex_lock(&lock);
	drop_memory(own);
	while (*at != own)
		at = &(*at)->next;
	*at = own->next;
	(void)pthread_mutex_unlock(&lock);
	free(own);
}

static void make_key(void)
{
	has_key = !pthread_key_create(&key, thread_ends);
}

static struct threadbuf *new_own(void)
{
	struct threadbuf *own = calloc(1, sizeof(*own));

	if (!own)
		return NULL;
	if (pthread_setspecific(key, own)) {
		free(own);
		return NULL;
	}
	(void)pthread_mutex_lock(&lock);
	own->next = all;
	all = own;
	(void)pthread_mutex_unlock(&lock);
	return own;
}

static void *grow(struct threadbuf *own, struct fetch *fetch, size_t len_bytes)
{
	void *more;

	if (len_bytes < MIN_BYTES)
		len_bytes = MIN_BYTES;
	if (posix_memalign(&more, PAGE_BYTES, len_bytes))
		return NULL;
	drop_memory(own);
	fetch_prepare_buffer(fetch, more, len_bytes);
	own->fetch = fetch;
	own->mem = more;
	own->len_bytes = len_bytes;
	return more;
}

void *threadbuf_get(struct fetch *fetch, size_t len_bytes)
{
	struct threadbuf *own;

	(void)pthread_once(&once, make_key);
	if (!has_key)
		return NULL;
	own = pthread_getspecific(key);
	if (!own)
		own = new_own();
	if (!own)
		return NULL;
	return len_bytes <= own->len_bytes ? own->mem
					   : grow(own, fetch, len_bytes);
}

void threadbuf_end(void)
{
	struct threadbuf *own = has_key ? pthread_getspecific(key) : NULL;

	(void)pthread_mutex_lock(&lock);
	for (struct threadbuf *one = all; one; one = one->next)
		drop_memory(one);
	(void)pthread_mutex_unlock(&lock);
	if (!own)
		return;
	(void)pthread_setspecific(key, NULL);
	thread_ends(own);
}
