/* SPDX-License-Identifier: MIT */
#include "parent/fdwatch.h"

#include <stdlib.h>

struct search {
	struct fdlook *look;
	struct fdwatch_file *files;
	uint32_t nr_files;
	const struct fdinfo_watch *items;
};

static int compare_fd(const void *key, const void *file)
{
	int32_t fd = *(const int32_t *)key;
	int32_t other = ((const struct fdwatch_file *)file)->fd;

	return fd < other ? -1 : fd > other;
}

static struct fdwatch_file *file_of(const struct search *search, int32_t fd)
{
	return search->nr_files ? bsearch(&fd, search->files, search->nr_files,
					  sizeof(*search->files), compare_fd)
				: NULL;
}

/* How many watches of its set before watch @i had the same number. */
static uint32_t place_of(const struct search *search, uint32_t i,
			 struct fdwatch_file *file)
{
	const struct image_epoll *watch = &search->items[i].epoll;
	uint32_t before = 0;

	if (file && file->seen_in == watch->epfd)
		return file->seen++;
	if (file) {
		file->seen_in = watch->epfd;
		file->seen = 1;
		return 0;
	}
	while (i-- && search->items[i].epoll.epfd == watch->epfd)
		before += search->items[i].epoll.fd == watch->fd;
	return before;
}

static int32_t find(const struct search *search, uint32_t i)
{
	const struct fdinfo_watch *watch = &search->items[i];
	struct fdwatch_file *own = file_of(search, watch->epoll.fd);
	bool may_be = own && (!watch->ino || own->ino == watch->ino);
	struct fdlook_slot slot = {
		.epfd = watch->epoll.epfd,
		.fd = watch->epoll.fd,
		.place = place_of(search, i, own),
	};
	int differs;

	if (may_be && own->is_alone)
		return own->fd;
	differs = own ? fdlook_differs(search->look, own->fd, &slot) : 1;
	/* A kernel that cannot be asked: the numbers are all there is. */
	if (differs <= 0)
		return !differs || may_be ? own->fd : -1;
	for (uint32_t k = 0; k < search->nr_files; k++)
		if (search->files[k].ino == watch->ino &&
		    !fdlook_differs(search->look, search->files[k].fd, &slot))
			return search->files[k].fd;
	return -1;
}

void fdwatch_settle(struct fdlook *look, struct fdwatch_file *files,
		    uint32_t nr_files, struct fdinfo_watches *watches)
{
	const struct search search = {look, files, nr_files, watches->items};

	for (uint32_t i = 0; i < nr_files; i++)
		files[i].seen_in = -1;
	for (uint32_t i = 0; i < watches->nr; i++)
		watches->items[i].epoll.through = find(&search, i);
}
