/* SPDX-License-Identifier: MIT */
/*
 * fdmake.c - files, pipes, and the small descriptors; sockets are in fdsocket.c
 */
#include "loader/fdmake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/packets.h"
#include "loader/areas.h"
#include "loader/fdsocket.h"
#include "loader/seals.h"
#include "loader/procpath.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

#define NS_PER_SECOND UINT64_C(1000000000)
#define KERNEL_SIGSET 8
#define ACCESS_FLAGS  (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY)

/* What may not happen a second time when a file is opened again. */
#define ONCE_FLAGS                                                             \
	(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | (O_TMPFILE & ~O_DIRECTORY))

static const struct image_fd *fd_of(const struct fdmake *make, uint32_t i)
{
	return &make->plan->image->fds[i];
}

static int failed(const struct fdmake *make, const struct image_fd *fd,
		  const char *path)
{
	int error = -errno;

	return why_set(make->why, error,
		       "descriptor %d (%s): %s; give another with "
		       "--fd %d=PATH",
		       fd->fd, path, strerror(-error), fd->fd);
}

/*
 * A file that is only read must still be what the parent read: on another host,
 * or after a rename, its path may lead to something else.
 */
static int check_same(const struct fdmake *make, const struct image_fd *fd,
		      int opened)
{
	struct stat now;

	if (fstat(opened, &now) < 0)
		return failed(make, fd, fd->path);
	if ((now.st_mode & S_IFMT) != (fd->mode & S_IFMT)) {
		errno = ENXIO;
		return failed(make, fd, fd->path);
	}
	if (fd->kind != IMAGE_FD_FILE ||
	    (make->same_host && now.st_ino == fd->inode &&
	     now.st_dev == fd->dev) ||
	    (fd->open_flags & O_ACCMODE) != O_RDONLY ||
	    (uint64_t)now.st_size == fd->size_bytes)
		return 0;
	return why_set(make->why, -EOPNOTSUPP,
		       "descriptor %d: %s has %llu bytes here and had %llu in "
		       "the parent; confirm with --fd %d=PATH",
		       fd->fd, fd->path, (unsigned long long)now.st_size,
		       (unsigned long long)fd->size_bytes, fd->fd);
}

static int reopen_at(const struct fdmake *make, const struct image_fd *fd,
		     const char *path)
{
	int flags = ((int)fd->open_flags & ~ONCE_FLAGS) | O_NOCTTY | O_CLOEXEC;
	CLEANUP_CLOSE int opened = open(path, flags);
	int error;

	if (opened < 0)
		return failed(make, fd, path);
	error = check_same(make, fd, opened);
	if (error)
		return error;
	if ((fd->kind == IMAGE_FD_FILE || fd->kind == IMAGE_FD_DIR) &&
	    !(flags & O_PATH) &&
	    lseek(opened, (off_t)fd->pos_bytes, SEEK_SET) < 0)
		return failed(make, fd, path);
	return steal_fd(&opened);
}

static int reopen(const struct fdmake *make, const struct image_fd *fd)
{
	char room[PROCPATH_BYTES];
	const char *path, *reason;
	int error =
		procpath_own(make->plan->image, fd->path, room, &path, &reason);

	if (!error)
		return reopen_at(make, fd, path);
	return why_set(make->why, error,
		       "descriptor %d (%s) %s: give another with --fd %d=PATH",
		       fd->fd, fd->path, reason, fd->fd);
}

/* The user named it, so it may be made. */
static int open_chosen(const struct fdmake *make, const struct image_fd *fd,
		       const char *path)
{
	int flags = ((int)fd->open_flags & ACCESS_FLAGS) | O_NOCTTY | O_CLOEXEC;
	int opened;

	if ((flags & O_ACCMODE) != O_RDONLY)
		flags |= O_CREAT;
	opened = open(path, flags, 0666);
	if (opened < 0)
		return failed(make, fd, path);
	if (fd->kind == IMAGE_FD_FILE)
		(void)lseek(opened, (off_t)fd->pos_bytes, SEEK_SET);
	return opened;
}

static int copy_of(const struct fdmake *make, const struct image_fd *fd,
		   int own)
{
	int copy = fcntl(own, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? failed(make, fd, fd->path) : copy;
}

static int open_terminal(const struct fdmake *make, const struct image_fd *fd)
{
	int flags = ((int)fd->open_flags & ACCESS_FLAGS) | O_NOCTTY | O_CLOEXEC;
	int opened;

	if (make->has_terminal)
		return copy_of(make, fd,
			       plan_fd(make->plan->facts, PLAN_SLOT_TERMINAL));
	opened = open("/dev/tty", flags);
	return opened < 0 ? failed(make, fd, fd->path) : opened;
}

static int make_eventfd(const struct image_fd *fd)
{
	int flags = EFD_CLOEXEC |
		    (fd->type == IMAGE_FD_SEMAPHORE ? EFD_SEMAPHORE : 0) |
		    (fd->open_flags & O_NONBLOCK ? EFD_NONBLOCK : 0);
	CLEANUP_CLOSE int made = eventfd(0, flags);

	if (made < 0 || (fd->value && write(made, &fd->value, 8) != 8))
		return -1;
	return steal_fd(&made);
}

/*
 * A periodic timer that has expired and was not read yet shows no time left,
 * and the kernel starts its next period only then.  One with nothing to read is
 * off: it keeps its interval (fdinfo_may_tick() knows of those that run out).
 */
static uint64_t first_expiry_ns(const struct image_fd *fd)
{
	return fd->value_ns || !fd->value ? fd->value_ns : fd->interval_ns;
}

static int make_timerfd(const struct image_fd *fd)
{
	uint64_t first_ns = first_expiry_ns(fd);
	struct itimerspec spec = {
		.it_value = {(time_t)(first_ns / NS_PER_SECOND),
			     (long)(first_ns % NS_PER_SECOND)},
		.it_interval = {(time_t)(fd->interval_ns / NS_PER_SECOND),
				(long)(fd->interval_ns % NS_PER_SECOND)},
	};
	int flags =
		TFD_CLOEXEC | (fd->open_flags & O_NONBLOCK ? TFD_NONBLOCK : 0);
	CLEANUP_CLOSE int made = timerfd_create(fd->clockid, flags);

	if (made < 0 || timerfd_settime(made, 0, &spec, NULL) < 0)
		return -1;
	if (fd->value && ioctl(made, TFD_IOC_SET_TICKS, &fd->value) < 0 &&
	    errno != ENOTTY)
		return -1;
	return steal_fd(&made);
}

/* libc's sigset_t is larger than the kernel's. */
static int make_signalfd(const struct image_fd *fd)
{
	int flags = O_CLOEXEC | (fd->open_flags & O_NONBLOCK ? O_NONBLOCK : 0);

	return (int)syscall(SYS_signalfd4, -1, &fd->value, KERNEL_SIGSET,
			    flags);
}

int fdmake_again(int number, const struct image_fd *fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
	return open(path, ((int)fd->open_flags &
			   (O_ACCMODE | O_APPEND | O_NONBLOCK)) |
				  O_CLOEXEC);
}

/* The same file under a lower number, opened for itself, is made already. */
static int earlier(const struct fdmake *make, const struct image_fd *fd)
{
	const struct image_fd *fds = make->plan->image->fds;

	for (uint32_t i = 0; &fds[i] < fd; i++)
		if (make->fates[i].kind == FATE_MEMFD &&
		    fds[i].inode == fd->inode && fds[i].dev == fd->dev)
			return fds[i].fd;
	return -1;
}

/* Its owner can open it anew for all that the parent had it open for. */
static int make_filled(const struct fdmake *make, const struct image_fd *fd)
{
	const struct image_fd *with = fate_bytes(make->plan->image, fd);
	CLEANUP_CLOSE int made = -1;

	if (!with) {
		errno = ENODATA;
		return -1;
	}
	made = memfd_create(
		"mitosis-file",
		MFD_CLOEXEC | (seals_are_allowed(fd) ? MFD_ALLOW_SEALING : 0));
	if (made < 0 || io_write_all(made, with->data, with->data_bytes))
		return -1;
	(void)fchmod(made, (mode_t)((fd->mode & 07777) | S_IRUSR | S_IWUSR));
	return seals_add(made, fd) ? -1 : fdmake_again(made, fd);
}

static int make_memfd(const struct fdmake *make, const struct image_fd *fd)
{
	int object = areas_object_of_fd(make->plan, fd);
	int from = object < 0 ? earlier(make, fd)
			      : plan_fd(make->plan->facts,
					PLAN_SLOT_OBJECT + (unsigned)object);
	int made = from < 0 ? make_filled(make, fd) : fdmake_again(from, fd);

	if (made >= 0)
		(void)lseek(made, (off_t)fd->pos_bytes, SEEK_SET);
	return made;
}

/* As it was written: one by one where messages have bounds. */
static int write_unread(int end, const struct image_fd *fd)
{
	const uint8_t *packet;
	size_t at = 0, bytes;
	int error = 0;

	if (fd->type != IMAGE_FD_PACKETS)
		return io_write_all(end, fd->data, fd->data_bytes);
	(void)fcntl(end, F_SETFL, O_NONBLOCK | O_DIRECT);
	while (!error &&
	       (packet = packets_next(fd->data, fd->data_bytes, &at, &bytes)))
		error = io_write_all(end, packet, bytes);
	return error;
}

/* A pipe like @fd's, with what was unread.  0, or -1 and errno. */
static int open_pipe(const struct image_fd *fd, int ends[2])
{
	int error = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	if (fd->value)
		(void)fcntl(ends[1], F_SETPIPE_SZ, (int)fd->value);
	/* Not to block on a pipe that turned out smaller than the parent's. */
	(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
	if (fd->data_bytes)
		error = write_unread(ends[1], fd);
	(void)fcntl(ends[1], F_SETFL, 0);
	if (!error)
		return 0;
	(void)close(ends[0]);
	(void)close(ends[1]);
	errno = -error;
	return -1;
}

/* What the parent had not read yet is still there, then the end. */
static int make_dead_pipe(const struct image_fd *fd)
{
	const bool writes = (fd->open_flags & O_ACCMODE) != O_RDONLY;
	int ends[2];

	if (open_pipe(fd, ends) < 0)
		return -1;
	(void)close(ends[writes ? 0 : 1]);
	(void)fcntl(ends[writes ? 1 : 0], F_SETFL,
		    (int)(fd->open_flags & O_NONBLOCK));
	return ends[writes ? 1 : 0];
}

static int make_anonymous(const struct fdmake *make, const struct image_fd *fd,
			  enum fate_kind kind)
{
	switch (kind) {
	case FATE_DEAD_PIPE:
		return make_dead_pipe(fd);
	case FATE_EVENTFD:
		return make_eventfd(fd);
	case FATE_TIMERFD:
		return make_timerfd(fd);
	case FATE_SIGNALFD:
		return make_signalfd(fd);
	case FATE_EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case FATE_MEMFD:
		return make_memfd(make, fd);
	default:
		errno = EINVAL;
		return -1;
	}
}

int fdmake_one(const struct fdmake *make, uint32_t i)
{
	const struct image_fd *fd = fd_of(make, i);
	const struct fate *fate = &make->fates[i];
	int made;

	switch (fate->kind) {
	case FATE_REOPEN:
		return reopen(make, fd);
	case FATE_PATH:
		return open_chosen(make, fd, fate->path);
	case FATE_OWN:
		return copy_of(make, fd, make->choices_fd + fate->number);
	case FATE_STDIO:
		return copy_of(make, fd,
			       plan_fd(make->plan->facts, PLAN_SLOT_STDIO) +
				       fate->number);
	case FATE_TERMINAL:
		return open_terminal(make, fd);
	case FATE_LISTENER:
		return fdsocket_listen(make->plan->image, fd, make->options,
				       make->why);
	case FATE_DEAD_SOCKET:
		made = fdsocket_dead(fd);
		break;
	default:
		made = make_anonymous(make, fd, fate->kind);
	}
	return made < 0 ? failed(make, fd, fd->path) : made;
}

/* What it holds is told with whichever end the snapshot met first. */
static const struct image_fd *with_data(const struct fdmake *make, uint32_t i)
{
	const struct image *image = make->plan->image;
	const struct image_fd *fd = &image->fds[i];

	for (uint32_t k = 0; k < image->nr_fds; k++)
		if (fate_is_same_file(&image->fds[k], fd) &&
		    (image->fds[k].data_bytes || image->fds[k].value))
			return &image->fds[k];
	return fd;
}

int fdmake_pipe(const struct fdmake *make, uint32_t i, int *ret_read,
		int *ret_write)
{
	const struct image_fd *fd = with_data(make, i);
	int ends[2];

	if (open_pipe(fd, ends) < 0)
		return failed(make, fd, fd->path);
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}
