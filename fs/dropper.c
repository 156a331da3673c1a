/* SPDX-License-Identifier: MIT */
#include "fs/dropper.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/quietthread.h"

struct dropper {
	struct fuse_session *fuse;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	fuse_ino_t *inos; /* to be dropped, each once */
	size_t nr, room;
	bool must_end;
};

static void *dropper_main(void *arg)
{
	struct dropper *dropper = arg;

	(void)pthread_mutex_lock(&dropper->lock);
	while (!dropper->must_end) {
		fuse_ino_t ino;

		if (!dropper->nr) {
			(void)pthread_cond_wait(&dropper->wake, &dropper->lock);
			continue;
		}
		ino = dropper->inos[--dropper->nr];
		(void)pthread_mutex_unlock(&dropper->lock);
		/* A file that the kernel has forgotten has no pages. */
		(void)fuse_lowlevel_notify_inval_inode(dropper->fuse, ino, 0,
						       0);
		(void)pthread_mutex_lock(&dropper->lock);
	}
	(void)pthread_mutex_unlock(&dropper->lock);
	return NULL;
}

static bool has(const struct dropper *dropper, fuse_ino_t ino)
{
	for (size_t i = 0; i < dropper->nr; i++)
		if (dropper->inos[i] == ino)
			return true;
	return false;
}

static int make_room(struct dropper *dropper)
{
	size_t room = dropper->room ? 2 * dropper->room : 16;
	fuse_ino_t *more;

	if (dropper->nr < dropper->room)
		return 0;
	more = reallocarray(dropper->inos, room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	dropper->inos = more;
	dropper->room = room;
	return 0;
}

void dropper_drop(struct dropper *dropper, fuse_ino_t ino)
{
	(void)pthread_mutex_lock(&dropper->lock);
	if (!has(dropper, ino) && !make_room(dropper)) {
		dropper->inos[dropper->nr++] = ino;
		(void)pthread_cond_signal(&dropper->wake);
	}
	(void)pthread_mutex_unlock(&dropper->lock);
}

static void destroy(struct dropper *dropper)
{
	(void)pthread_cond_destroy(&dropper->wake);
	(void)pthread_mutex_destroy(&dropper->lock);
	free(dropper->inos);
	free(dropper);
}

int dropper_open(struct fuse_session *fuse, struct dropper **ret)
{
	struct dropper *dropper = calloc(1, sizeof(*dropper));
	int r;

	if (!dropper)
		return -ENOMEM;
	dropper->fuse = fuse;
	(void)pthread_mutex_init(&dropper->lock, NULL);
	(void)pthread_cond_init(&dropper->wake, NULL);
	r = quietthread_start(&dropper->thread, dropper_main, dropper);
	if (r)
		destroy(dropper);
	else
		*ret = dropper;
	return r;
}

void dropper_close(struct dropper *dropper)
{
	if (!dropper)
		return;
	(void)pthread_mutex_lock(&dropper->lock);
	dropper->must_end = true;
	(void)pthread_cond_signal(&dropper->wake);
	(void)pthread_mutex_unlock(&dropper->lock);
	(void)pthread_join(dropper->thread, NULL);
	destroy(dropper);
}
