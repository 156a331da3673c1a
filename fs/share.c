/* SPDX-License-Identifier: MIT */
#include "fs/share.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/quietthread.h"
#include "fs/mounts.h"
#include "fs/share_link.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

#define GUESTS_MAX 32
#define GUEST_NS   (10 * NS_PER_S)
/* Where mounts come and go all the time, the table is read no more often. */
#define SCAN_NS	 (20 * NS_PER_MS)
#define PROBE_NS NS_PER_S
/* After a guest that we could not take: it stays, and so is always there. */
#define DEAF_NS (100 * NS_PER_MS)

/* Who has connected. */
struct guest {
	int fd;
	enum { GUEST_ASKS, GUEST_WAITS, GUEST_ATTACHES } stage;
	uint64_t until_ns; /* but for GUEST_WAITS */
};

struct share {
	struct share_options options;
	struct share_seat seat;
	pthread_t thread;
	int holder;   /* the mount that is attached nowhere */
	int table_fd; /* /proc/self/mountinfo: POLLPRI for each change */
	int kick_fd;
	atomic_bool is_ready, must_end;
	/* The thread's alone. */
	unsigned nr_mounts;
	struct guest guests[GUESTS_MAX];
	unsigned nr_guests;
	uint64_t deaf_ns; /* until then nobody is taken */
	bool is_stale;	  /* the table has changed */
	uint64_t scanned_ns, idle_ns, probed_ns; /* idle since; 0: in use */
};

/* ---- who comes ---- */

static void reply(const struct guest *guest, enum share_verdict verdict,
		  unsigned detail, int mount)
{
	struct share_reply bytes;

	share_put_reply(verdict, detail, &bytes);
	/* Who does not take it is cut when the time is over. */
	(void)io_send_fds(guest->fd, &bytes, sizeof(bytes), &mount,
			  mount >= 0 ? 1 : 0);
}

/* The kernel has noted who connected; the folder lets in nobody else anyway. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       peer.uid == geteuid();
}

/* 1 when the guest goes on, 0 when all is said. */
static int grant(struct share *share, struct guest *guest)
{
	CLEANUP_CLOSE int mount =
		mounts_clone(share->options.dev, share->holder);

	if (mount < 0)
		reply(guest, SHARE_CANNOT, (unsigned)-mount, -1);
	else
		reply(guest, SHARE_YES, 0, mount);
	guest->stage = GUEST_ATTACHES;
	guest->until_ns = io_monotonic_ns() + GUEST_NS;
	return mount >= 0;
}

/* *@ret_term: what is different, SHARE_NR_TERMS for the image itself. */
static bool may_join(const struct share *share, const struct share_terms *terms,
		     enum share_term *ret_term)
{
	const struct share_terms *ours = &share->seat.terms;

	*ret_term = SHARE_NR_TERMS;
	for (int i = 0; i < SHARE_IMAGE_WORDS; i++)
		if (terms->image[i] != ours->image[i])
			return false;
	*ret_term = share_differ(terms, ours);
	return *ret_term == SHARE_NR_TERMS;
}

static int take_request(struct share *share, struct guest *guest)
{
	struct share_request bytes;
	struct share_terms terms;
	enum share_term term;
	ssize_t len = recv(guest->fd, &bytes, sizeof(bytes), MSG_TRUNC);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (len <= 0 || share_get_request(&bytes, (size_t)len, &terms))
		return 0;
	if (!may_join(share, &terms, &term)) {
		reply(guest, SHARE_NO, term, -1);
		return 0;
	}
	if (share->is_ready)
		return grant(share, guest);
	reply(guest, SHARE_WAIT, 0, -1);
	guest->stage = GUEST_WAITS;
	return 1;
}

static void drop_guest(struct share *share, unsigned i)
{
	(void)close(share->guests[i].fd);
	share->guests[i] = share->guests[--share->nr_guests];
	share->is_stale = true; /* it may have attached its mount */
}

static void take_guest(struct share *share)
{
	int fd = accept4(share->seat.listener, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && errno != EAGAIN)
		share->deaf_ns = io_monotonic_ns() + DEAF_NS;
	if (fd < 0)
		return;
	if (!is_ours(fd)) {
		(void)close(fd);
		return;
	}
	share->guests[share->nr_guests++] =
		(struct guest){fd, GUEST_ASKS, io_monotonic_ns() + GUEST_NS};
}

static void serve_guest(struct share *share, unsigned i, short events)
{
	struct guest *guest = &share->guests[i];
	int goes_on = !events;

	if (guest->stage == GUEST_ASKS && events & POLLIN)
		goes_on = take_request(share, guest);
	else if (goes_on && guest->stage == GUEST_WAITS && share->is_ready)
		goes_on = grant(share, guest);
	if (guest->stage != GUEST_WAITS && io_monotonic_ns() >= guest->until_ns)
		goes_on = 0;
	if (!goes_on)
		drop_guest(share, i);
}

/* ---- whether anybody is there ---- */

static void scan(struct share *share)
{
	uint64_t now = io_monotonic_ns();
	int nr;

	if (!share->is_stale || now < share->scanned_ns + SCAN_NS)
		return;
	share->is_stale = false;
	share->scanned_ns = now;
	nr = mounts_count(share->options.dev);
	if (nr >= 0)
		share->nr_mounts = (unsigned)nr;
	else
		share->is_stale = true;
}

/* Who has only connected may just be looking whether somebody is here. */
static bool has_guests(const struct share *share)
{
	for (unsigned i = 0; i < share->nr_guests; i++)
		if (share->guests[i].stage != GUEST_ASKS)
			return true;
	return false;
}

/* 1 when it is time to let go. */
static int look(struct share *share)
{
	const struct share_options *options = &share->options;
	uint64_t now = io_monotonic_ns();

	if (share->is_stale)
		return 0;
	if (share->nr_mounts || has_guests(share) || options->use->nr) {
		share->idle_ns = 0;
		return 0;
	}
	if (!share->idle_ns)
		share->idle_ns = share->probed_ns = now;
	if (now >= share->idle_ns + options->ttl_s * NS_PER_S)
		return 1;
	if (now < share->probed_ns + PROBE_NS)
		return 0;
	/* Pages of an image that is no more are of no use to anybody. */
	share->probed_ns = now;
	return options->probe && options->probe(options->probe_arg);
}

static void sooner(uint64_t *until_ns, uint64_t at_ns)
{
	if (at_ns < *until_ns)
		*until_ns = at_ns;
}

/* How long to wait when nothing happens: ms, -1 for ever. */
static int pause_ms(const struct share *share)
{
	uint64_t until = UINT64_MAX, now = io_monotonic_ns();

	if (share->deaf_ns)
		sooner(&until, share->deaf_ns);
	if (share->is_stale)
		sooner(&until, share->scanned_ns + SCAN_NS);
	if (share->idle_ns) {
		sooner(&until,
		       share->idle_ns + share->options.ttl_s * NS_PER_S);
		sooner(&until, share->probed_ns + PROBE_NS);
	}
	for (unsigned i = 0; i < share->nr_guests; i++)
		if (share->guests[i].stage != GUEST_WAITS)
			sooner(&until, share->guests[i].until_ns);
	if (until == UINT64_MAX)
		return -1;
	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

/* ---- the thread ---- */

enum { POLL_KICK, POLL_TABLE, POLL_LISTENER, POLL_GUESTS };

static bool takes_guests(struct share *share)
{
	if (share->deaf_ns && io_monotonic_ns() >= share->deaf_ns)
		share->deaf_ns = 0;
	return share->nr_guests < GUESTS_MAX && !share->deaf_ns;
}

static void wait_and_serve(struct share *share)
{
	struct pollfd fds[POLL_GUESTS + GUESTS_MAX] = {
		[POLL_KICK] = {share->kick_fd, POLLIN, 0},
		/* Once it has changed: no matter until it was read. */
		[POLL_TABLE] = {share->is_stale ? -1 : share->table_fd, POLLPRI,
				0},
		[POLL_LISTENER] = {takes_guests(share) ? share->seat.listener
						       : -1,
				   POLLIN, 0},
	};
	unsigned nr = share->nr_guests;
	uint64_t kicks;

	for (unsigned i = 0; i < nr; i++)
		fds[POLL_GUESTS + i] =
			(struct pollfd){share->guests[i].fd, POLLIN, 0};
	if (poll(fds, POLL_GUESTS + nr, pause_ms(share)) < 0)
		return;
	if (fds[POLL_KICK].revents)
		(void)read(share->kick_fd, &kicks, sizeof(kicks));
	if (fds[POLL_TABLE].revents)
		share->is_stale = true;
	/* From the last: one that goes is replaced by one that was served. */
	while (nr--)
		serve_guest(share, nr, fds[POLL_GUESTS + nr].revents);
	if (fds[POLL_LISTENER].revents)
		take_guest(share);
}

static void *share_main(void *arg)
{
	struct share *share = arg;

	while (!share->must_end) {
		wait_and_serve(share);
		scan(share);
		if (look(share))
			break;
	}
	share_seat_leave(&share->seat);
	while (share->nr_guests)
		drop_guest(share, share->nr_guests - 1);
	/* If that was all there was, the kernel ends the session now. */
	if (!share->must_end)
		(void)close(steal_fd(&share->holder));
	return NULL;
}

static void kick(struct share *share)
{
	const uint64_t one = 1;

	(void)!write(share->kick_fd, &one, sizeof(one));
}

void share_ready(struct share *share)
{
	share->is_ready = true;
	kick(share);
}

void share_unused(struct share *share)
{
	kick(share);
}

void share_get_state(struct share *share, struct share_state *ret_state)
{
	int nr = mounts_count(share->options.dev);

	*ret_state = (struct share_state){
		.nr_mounts = nr < 0 ? 0 : (unsigned)nr,
		.ttl_s = share->options.ttl_s,
	};
}

void share_path(const struct share *share, char path[SHARE_PATH_MAX + 1])
{
	(void)snprintf(path, SHARE_PATH_MAX + 1, "/proc/self/fd/%d",
		       share->holder);
}

static void share_free(struct share *share)
{
	cleanup_close(&share->holder);
	cleanup_close(&share->table_fd);
	cleanup_close(&share->kick_fd);
	free(share);
}

static void share_freep(struct share **share)
{
	if (*share)
		share_free(*share);
}

static int open_all(struct share *share)
{
	share->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	share->table_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (share->kick_fd < 0 || share->table_fd < 0)
		return -errno;
	share->holder =
		mounts_clone_at(share->options.dev, share->options.mountpoint);
	return share->holder < 0 ? share->holder : 0;
}

int share_open(const struct share_options *options, struct share_seat *seat,
	       struct share **ret)
{
	CLEANUP(share_freep) struct share *share = calloc(1, sizeof(*share));
	int r;

	if (!share)
		return -ENOMEM;
	share->options = *options;
	share->holder = share->table_fd = share->kick_fd = -1;
	share->is_stale = true;
	r = open_all(share);
	if (r)
		return r;
	share->seat = *seat;
	r = quietthread_start(&share->thread, share_main, share);
	if (r)
		return r;
	seat->listener = seat->folder = -1;
	*ret = steal_ptr(&share);
	return 0;
}

void share_close(struct share *share)
{
	if (!share)
		return;
	share->must_end = true;
	kick(share);
	(void)pthread_join(share->thread, NULL);
	/*
	 * After those who were asking have been cut: see fs/join.c.  What is
	 * not held may have given its number to another file system.
	 */
	if (share->holder >= 0)
		mounts_detach(share->options.dev);
	share_free(share);
}
