/* SPDX-License-Identifier: MIT */
/*
 * fdset.c - lowest number first: what is made takes the lowest free number, and
 * can never sit on one that is already right
 */
#include "loader/fdset.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "loader/fdsocket.h"

/* Most images have no more: the first malloc() of a process costs page faults.
 */
#define FEW_FDS 256

static int place(const struct fdmake *make, const struct image_fd *fd, int made)
{
	int flags = fd->cloexec ? O_CLOEXEC : 0;

	if (made == fd->fd) {
		if (fcntl(made, F_SETFD, fd->cloexec ? FD_CLOEXEC : 0) < 0)
			return -errno;
		return 0;
	}
	if (dup3(made, fd->fd, flags) < 0)
		return why_set(make->why, -errno, "descriptor %d: %s", fd->fd,
			       strerror(errno));
	(void)close(made);
	return 0;
}

static int place_copy(const struct fdmake *make, const struct image_fd *fd,
		      int number)
{
	if (dup3(number, fd->fd, fd->cloexec ? O_CLOEXEC : 0) < 0)
		return why_set(make->why, -errno, "descriptor %d: %s", fd->fd,
			       strerror(errno));
	return 0;
}

/* Out of the way of the numbers that are still to come. */
static void raise_ends(const struct fdmake *make, int ends[2])
{
	for (int i = 0; i < 2; i++) {
		int raised = fcntl(ends[i], F_DUPFD_CLOEXEC,
				   make->plan->facts->fd_base);

		(void)close(ends[i]);
		ends[i] = raised;
	}
}

/*
 * Of each direction the first is the end that was made; what else the parent
 * had open of the pipe has a description of its own here, too, as each has
 * flags of its own.
 */
static int take_end(const struct fdmake *make, const struct image_fd *fd,
		    const int ends[2], bool taken[2])
{
	const int access = (int)fd->open_flags & O_ACCMODE;
	const bool writes = access == O_WRONLY;
	int made, error;

	if (access == O_RDWR || taken[writes]) {
		made = fdmake_again(ends[writes], fd);
		error = made < 0 ? why_set(make->why, -errno,
					   "descriptor %d: %s", fd->fd,
					   strerror(errno))
				 : place(make, fd, made);
	} else {
		error = place_copy(make, fd, ends[writes]);
		taken[writes] = true;
	}
	if (!error)
		(void)fcntl(fd->fd, F_SETFL,
			    (int)(fd->open_flags & (O_NONBLOCK | O_DIRECT)));
	return error;
}

/* All descriptors of one pipe at once. */
static int make_pipe(const struct fdmake *make, uint32_t first, bool *made)
{
	const struct image *image = make->plan->image;
	bool taken[2] = {false};
	int ends[2], error;

	error = fdmake_pipe(make, first, &ends[0], &ends[1]);
	if (error)
		return error;
	raise_ends(make, ends);
	for (uint32_t i = first; !error && i < image->nr_fds; i++) {
		const struct image_fd *fd = &image->fds[i];

		if (make->fates[i].kind != FATE_PIPE ||
		    !fate_is_same_file(fd, &image->fds[first]))
			continue;
		error = take_end(make, fd, ends, taken);
		made[i] = true;
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	return error;
}

static int place_end(const struct fdmake *make, const struct image_fd *fd,
		     int end)
{
	(void)fcntl(end, F_SETFL, (int)(fd->open_flags & O_NONBLOCK));
	return place_copy(make, fd, end);
}

/* One that has another fate by choice leaves an end that nobody holds. */
static int make_pair(const struct fdmake *make, uint32_t first, bool *made)
{
	const struct image *image = make->plan->image;
	const struct image_fd *fd = &image->fds[first];
	const struct image_fd *peer = fate_peer(image, first);
	const uint32_t second = (uint32_t)(peer - image->fds);
	int ends[2], error = fdsocket_pair(fd, peer, ends);

	if (error)
		return why_set(make->why, error,
			       "descriptors %d and %d, a pair of sockets: %s; "
			       "give others with --fd",
			       fd->fd, peer->fd, strerror(-error));
	raise_ends(make, ends);
	error = place_end(make, fd, ends[0]);
	if (!error && make->fates[second].kind == FATE_PAIR && !made[second]) {
		error = place_end(make, peer, ends[1]);
		made[second] = true;
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	return error;
}

static int make_one(const struct fdmake *make, uint32_t i, bool *made)
{
	const struct image_fd *fd = &make->plan->image->fds[i];
	const struct fate *fate = &make->fates[i];
	int number;

	if (made[i])
		return 0;
	if (fate->kind == FATE_PIPE)
		return make_pipe(make, i, made);
	if (fate->kind == FATE_PAIR)
		return make_pair(make, i, made);
	if (fate->kind == FATE_DUP)
		return place_copy(make, fd, fate->number);
	number = fdmake_one(make, i);
	return number < 0 ? number : place(make, fd, number);
}

/*
 * The number under which the set shall know what @item watches.  One that the
 * parent had closed is made for a moment: the set keeps the file and the
 * number.
 */
static int number_for(const struct fdmake *make, const struct image_epoll *item)
{
	const int base = make->plan->facts->fd_base;

	if (item->fd == item->through)
		return item->fd;
	if (item->fd < base && fcntl(item->fd, F_GETFD) < 0)
		return dup3(item->through, item->fd, O_CLOEXEC);
	return fcntl(item->through, F_DUPFD_CLOEXEC, base);
}

/*
 * Add it, and tell in *@number what is left to close.  A file that is watched
 * already under the number that was made for it takes the next one.
 */
static int add_watch(const struct fdmake *make, const struct image_epoll *item,
		     struct epoll_event *event, int *number)
{
	const int base = make->plan->facts->fd_base;

	while (epoll_ctl(item->epfd, EPOLL_CTL_ADD, *number, event) < 0) {
		int next = *number < base ? base : *number + 1;

		if (errno != EEXIST || *number == item->through)
			return -errno;
		next = fcntl(item->through, F_DUPFD_CLOEXEC, next);
		if (next < 0)
			return -errno;
		(void)close(*number);
		*number = next;
	}
	return 0;
}

/*
 * A set may name descriptors that are closed, or that now are files which
 * cannot be waited for (stdin from a file): those just never become ready.
 */
static int watch(const struct fdmake *make, const struct image_epoll *item,
		 uint32_t events)
{
	struct epoll_event event = {.events = events,
				    .data = {.u64 = item->data}};
	int number = number_for(make, item);
	int error =
		number < 0 ? -errno : add_watch(make, item, &event, &number);

	if (number >= 0 && number != item->through)
		(void)close(number);
	if (!error || error == -EBADF || error == -EPERM || error == -EEXIST)
		return 0;
	return why_set(make->why, error, "epoll %d, descriptor %d: %s",
		       item->epfd, item->fd, strerror(-error));
}

/* One of EPOLLONESHOT that has been told: any other has these two events. */
static bool is_disarmed(const struct image_epoll *item)
{
	return (item->events & EPOLLONESHOT) &&
	       !(item->events & (EPOLLERR | EPOLLHUP));
}

static uint32_t ready_now(int fd)
{
	struct pollfd now = {.fd = fd, .events = POLLIN | POLLOUT};

	return poll(&now, 1, 0) > 0 ? now.revents & (POLLIN | POLLOUT) : 0;
}

/*
 * The kernel adds nothing disarmed: errors and hangups are always waited for,
 * and who has told that a connection is his alone must not be told of its end a
 * second time.  So these are added first, each for what it is ready for by now,
 * and told here, which disarms them.  One that is ready for nothing (a
 * listener, an empty pipe) stays armed for its end.
 */
static int fill_disarmed(const struct fdmake *make)
{
	const struct image *image = make->plan->image;
	struct epoll_event told[8];
	int error = 0;

	for (uint32_t i = 0; !error && i < image->nr_epolls; i++) {
		const struct image_epoll *item = &image->epolls[i];

		if (!is_disarmed(item))
			continue;
		error = watch(make, item,
			      item->events | ready_now(item->through));
		(void)epoll_wait(item->epfd, told, 8, 0);
	}
	return error;
}

static int fill_epolls(const struct fdmake *make)
{
	const struct image *image = make->plan->image;
	int error = fill_disarmed(make);

	for (uint32_t i = 0; !error && i < image->nr_epolls; i++)
		if (!is_disarmed(&image->epolls[i]))
			error = watch(make, &image->epolls[i],
				      image->epolls[i].events);
	return error;
}

static int make_all(const struct fdmake *make)
{
	const struct image *image = make->plan->image;
	bool few[FEW_FDS] = {false};
	CLEANUP_FREE bool *many = image->nr_fds > FEW_FDS
					  ? calloc(image->nr_fds, sizeof(*many))
					  : NULL;
	bool *made = many ? many : few;
	int error = image->nr_fds > FEW_FDS && !many ? -ENOMEM : 0;

	for (uint32_t i = 0; !error && i < image->nr_fds; i++)
		error = make_one(make, i, made);
	return error ? error : fill_epolls(make);
}

int fdset_make(const struct fdmake *make)
{
	const struct image *image = make->plan->image;
	const struct plan_facts *facts = make->plan->facts;
	int error;

	if (syscall(SYS_close_range, 0, facts->fd_base - 1, 0) < 0)
		return -errno;
	error = credentials_files_as(image, &facts->credentials, false);
	if (error)
		return why_set(make->why, error,
			       "taking the file rights of uid %u: %s",
			       image->uid[3], strerror(-error));
	error = make_all(make);
	if (error)
		return error;
	return credentials_files_as(image, &facts->credentials, true);
}
