/* SPDX-License-Identifier: MIT */
#include "loader/guard_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/image.h"

/* A table of descriptors grows to the highest, and never shrinks. */
#define SLOTS_END   1024
#define SLOTS_TRIED 64

static const struct guard_file *find(const struct guard_files *files, int fd)
{
	for (unsigned i = 0; i < files->nr; i++)
		if (files->list[i].fd == fd)
			return &files->list[i];
	return NULL;
}

static int file_of(const struct guard_options *options,
		   const struct guard_map_piece *piece, int *ret_fd,
		   uint64_t *ret_offset_bytes)
{
	return options->open_file
		       ? options->open_file(options->files, piece->inode,
					    piece->offset_bytes, ret_fd,
					    ret_offset_bytes)
		       : -ENOENT;
}

static int add(const struct guard_options *options,
	       const struct guard_map_piece *piece, struct guard_files *files)
{
	struct guard_file file = {.slot = -1};
	uint64_t offset_bytes;

	if (file_of(options, piece, &file.fd, &offset_bytes))
		return -ENOENT;
	if (find(files, file.fd))
		return 0;
	if (files->nr == GUARD_FILES_MAX)
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

static bool is_free(pid_t tid, int slot)
{
	struct stat st;
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tid, slot);
	return lstat(path, &st) && errno == ENOENT;
}

/* A number that no other thread is about to be given; -1: there is none. */
static int choose_slot(pid_t tid)
{
	struct rlimit limit;
	int end = SLOTS_END;

	if (prlimit(tid, RLIMIT_NOFILE, NULL, &limit))
		return -1;
	if (limit.rlim_cur < SLOTS_END)
		end = (int)limit.rlim_cur;
	for (int i = 1; i <= SLOTS_TRIED && end - i > STDERR_FILENO; i++)
		if (is_free(tid, end - i))
			return end - i;
	return -1;
}

static int send_one(const struct guard_call *call, struct guard_file *file)
{
	int slot = choose_slot((pid_t)call->notif.pid);
	struct seccomp_notif_addfd add = {
		.id = call->notif.id,
		.flags = slot < 0 ? 0 : SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (__u32)file->fd,
		.newfd = slot < 0 ? 0 : (__u32)slot,
		.newfd_flags = O_CLOEXEC,
	};

	file->slot = ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	return file->slot < 0 ? -errno : 0;
}

int guard_file_send(const struct guard_call *call, struct guard_files *files)
{
	int r = 0;

	for (unsigned i = 0; !r && i < files->nr; i++)
		r = send_one(call, &files->list[i]);
	return r;
}

/* Where the kernel does not say, nobody is suspected. */
static bool has_it_still(const struct guard_file *file, pid_t tid)
{
	long order =
		syscall(SYS_kcmp, getpid(), tid, KCMP_FILE,
			(unsigned long)file->fd, (unsigned long)file->slot);

	return order < 0 ? errno != EBADF : order == 0;
}

int guard_file_map(const struct guard_call *call,
		   const struct guard_files *files, struct guard_inject *inject,
		   const struct guard_map_piece *piece)
{
	bool noreserve = piece->vma_flags & IMAGE_VMA_NORESERVE;
	uint64_t args[6] = {
		piece->start,
		piece->end - piece->start,
		piece->prot,
		MAP_PRIVATE | MAP_FIXED | (noreserve ? MAP_NORESERVE : 0),
	};
	const struct guard_file *file = NULL;
	int64_t result;
	int fd;

	if (!file_of(call->options, piece, &fd, &args[5]))
		file = find(files, fd);
	if (!file || file->slot < 0)
		return -EBADF;
	args[4] = (uint64_t)file->slot;
	if (guard_inject_call(inject, SYS_mmap, args, &result))
		return -ESRCH;
	if (result < 0)
		return (int)result;
	return has_it_still(file, inject->tid) ? 0 : -ESTALE;
}

int guard_file_take_back(const struct guard_files *files,
			 struct guard_inject *inject)
{
	for (unsigned i = 0; i < files->nr; i++) {
		const struct guard_file *file = &files->list[i];
		const uint64_t args[6] = {(uint64_t)file->slot};
		int64_t result;

		if (file->slot >= 0 && has_it_still(file, inject->tid) &&
		    guard_inject_call(inject, SYS_close, args, &result))
			return -ESRCH;
	}
	return 0;
}
