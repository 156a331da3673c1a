/* SPDX-License-Identifier: MIT */
#include "loader/guard_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/cleanup.h"
#include "common/image.h"

static int add(const struct guard_options *options,
	       const struct guard_map_piece *piece, struct guard_files *files)
{
	struct guard_file file = {.start = piece->start, .remote = -1};

	if (files->nr == GUARD_FILES_MAX || !options->open_file ||
	    options->open_file(options->files, piece->inode,
			       piece->offset_bytes, &file.fd,
			       &file.offset_bytes))
		return -ENOENT;
	files->list[files->nr++] = file;
	return 0;
}

int guard_file_open(const struct guard_call *call, const struct guard_map *map,
		    struct guard_files *files)
{
	int r = 0;

	files->nr = 0;
	for (unsigned i = 0; !r && i < map->nr; i++)
		if (guard_map_is_written(&map->pieces[i]))
			r = add(call->options, &map->pieces[i], files);
	return r;
}

int guard_file_send(const struct guard_call *call, struct guard_files *files)
{
	for (unsigned i = 0; i < files->nr; i++) {
		struct seccomp_notif_addfd add = {
			.id = call->notif.id,
			.srcfd = (__u32)files->list[i].fd,
			.newfd_flags = O_CLOEXEC,
		};

		files->list[i].remote =
			ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		if (files->list[i].remote < 0)
			return -errno;
	}
	return 0;
}

static const struct guard_file *find(const struct guard_files *files,
				     uint64_t start)
{
	for (unsigned i = 0; i < files->nr; i++)
		if (files->list[i].start == start)
			return &files->list[i];
	return NULL;
}

int guard_file_map(const struct guard_files *files, struct guard_inject *inject,
		   const struct guard_map_piece *piece)
{
	const struct guard_file *file = find(files, piece->start);
	bool noreserve = piece->vma_flags & IMAGE_VMA_NORESERVE;
	uint64_t flags =
		MAP_PRIVATE | MAP_FIXED | (noreserve ? MAP_NORESERVE : 0);
	int64_t result;

	if (!file || file->remote < 0)
		return -EBADF;
	if (guard_inject_call(inject, SYS_mmap,
			      (const uint64_t[6]){piece->start,
						  piece->end - piece->start,
						  piece->prot, flags,
						  (uint64_t)file->remote,
						  file->offset_bytes},
			      &result))
		return -ESRCH;
	return result < 0 ? (int)result : 0;
}

int guard_file_take_back(const struct guard_files *files,
			 struct guard_inject *inject)
{
	for (unsigned i = 0; i < files->nr; i++) {
		const uint64_t args[6] = {(uint64_t)files->list[i].remote};
		int64_t result;

		if (files->list[i].remote >= 0 &&
		    guard_inject_call(inject, SYS_close, args, &result))
			return -ESRCH;
	}
	return 0;
}

void guard_file_clear(struct guard_files *files)
{
	for (unsigned i = 0; i < files->nr; i++)
		cleanup_close(&files->list[i].fd);
	files->nr = 0;
}
