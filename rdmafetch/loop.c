/* SPDX-License-Identifier: MIT */
/* loop.c - see loop.h */
#include "rdmafetch/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/io.h"

#define NS_PER_S 1000000000ull
/* Completions taken in one go; the rest waits for the next turn. */
#define BATCH_MAX 64
/* Turns that loop_close() gives the kernel to hand cancelled requests back. */
#define CLOSE_TURNS_MAX 1000

struct loop {
	struct io_uring ring;
	struct loop_work *works;
	struct loop_timer *timers;
	struct loop_watch *watches;
	uint64_t under_way;
	bool stopped;
	int result;
};

struct loop_watch {
	struct loop_op op;
	struct loop *loop;
	void (*ready)(void *arg); /* NULL: unwatched, waits for its end */
	void *arg;
	struct loop_watch *prev, *next;
};

/* Fast settings first: completions run when we ask for them, not by interrupt
 * of this thread (io_uring_setup(2), from Linux 6.1). */
static int setup_ring(struct io_uring *ring, unsigned entries)
{
	int error;

	error = io_uring_queue_init(entries, ring,
				    IORING_SETUP_SINGLE_ISSUER |
					    IORING_SETUP_DEFER_TASKRUN);
	if (error == -EINVAL)
		error = io_uring_queue_init(entries, ring, 0);
	return error;
}

int loop_open(unsigned entries, struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (!loop)
		return -ENOMEM;
	error = setup_ring(&loop->ring, entries);
	if (error) {
		free(loop);
		return error;
	}
	/* A forked process that had the ring mapped would keep it alive, and
	 * with it every file that a request under way refers to: the far ends
	 * of our sockets would not learn of our death. */
	error = io_uring_ring_dontfork(&loop->ring);
	if (error) {
		loop_close(loop);
		return error;
	}
	*ret = loop;
	return 0;
}

struct io_uring_sqe *loop_sqe(struct loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	while (!sqe) {
		(void)io_uring_submit(&loop->ring);
		sqe = io_uring_get_sqe(&loop->ring);
	}
	loop->under_way++;
	return sqe;
}

void loop_mark(struct io_uring_sqe *sqe, struct loop_op *op)
{
	io_uring_sqe_set_data(sqe, op);
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	struct io_uring_sqe *sqe = loop_sqe(loop);

	io_uring_prep_cancel(sqe, op, 0);
	loop_mark(sqe, NULL);
}

void loop_add_work(struct loop *loop, struct loop_work *work)
{
	work->next = loop->works;
	loop->works = work;
}

void loop_add_timer(struct loop *loop, struct loop_timer *timer)
{
	timer->next = loop->timers;
	loop->timers = timer;
}

void loop_drop(struct loop *loop, struct loop_work *work,
	       struct loop_timer *timer)
{
	struct loop_work **w = &loop->works;
	struct loop_timer **t = &loop->timers;

	while (*w && *w != work)
		w = &(*w)->next;
	if (*w)
		*w = work->next;
	while (*t && *t != timer)
		t = &(*t)->next;
	if (*t)
		*t = timer->next;
}

static void unlink_watch(struct loop_watch *watch)
{
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		watch->loop->watches = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	free(watch);
}

static void watch_done(struct loop_op *op, int result, uint32_t flags)
{
	struct loop_watch *watch = (struct loop_watch *)op;
	void (*ready)(void *arg) = watch->ready;
	void *arg = watch->arg;

	unlink_watch(watch);
	if (ready)
		ready(arg);
}

int loop_watch(struct loop *loop, int fd, void (*ready)(void *arg), void *arg,
	       struct loop_watch **ret)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));
	struct io_uring_sqe *sqe;

	if (!watch)
		return -ENOMEM;
	watch->op.done = watch_done;
	watch->loop = loop;
	watch->ready = ready;
	watch->arg = arg;
	watch->next = loop->watches;
	if (watch->next)
		watch->next->prev = watch;
	loop->watches = watch;
	sqe = loop_sqe(loop);
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	loop_mark(sqe, &watch->op);
	*ret = watch;
	return 0;
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (!watch)
		return;
	watch->ready = NULL;
	loop_cancel(loop, &watch->op);
	/* Now, while the caller's descriptor is still what was watched. */
	(void)io_uring_submit(&loop->ring);
}

static int run_works(struct loop *loop)
{
	int more = 0;

	for (struct loop_work *w = loop->works; w; w = w->next)
		more |= w->run(w);
	return more;
}

static uint64_t next_deadline(const struct loop *loop)
{
	uint64_t first_ns = 0;

	for (struct loop_timer *t = loop->timers; t; t = t->next)
		if (t->deadline_ns && (!first_ns || t->deadline_ns < first_ns))
			first_ns = t->deadline_ns;
	return first_ns;
}

static struct loop_timer *due_timer(const struct loop *loop, uint64_t now_ns)
{
	struct loop_timer *timer = loop->timers;

	while (timer && (!timer->deadline_ns || timer->deadline_ns > now_ns))
		timer = timer->next;
	return timer;
}

/* From the start after each one: it may have taken others out. */
static void fire_timers(struct loop *loop)
{
	struct loop_timer *timer;
	uint64_t now_ns;

	if (!next_deadline(loop))
		return;
	now_ns = io_monotonic_ns();
	while ((timer = due_timer(loop, now_ns))) {
		timer->deadline_ns = 0;
		timer->fired(timer);
	}
}

static int wait_for_completion(struct loop *loop, uint64_t deadline_ns)
{
	struct __kernel_timespec left = {0};
	struct io_uring_cqe *cqe;
	uint64_t now_ns, left_ns;

	if (!deadline_ns)
		return io_uring_submit_and_wait(&loop->ring, 1);
	now_ns = io_monotonic_ns();
	left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	left.tv_sec = (int64_t)(left_ns / NS_PER_S);
	left.tv_nsec = (long long)(left_ns % NS_PER_S);
	return io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &left,
						NULL);
}

/* Submit what was asked for, and wait for something unless @more. */
static int enter(struct loop *loop, int more)
{
	int result;

	if (more)
		result = io_uring_submit_and_get_events(&loop->ring);
	else
		result = wait_for_completion(loop, next_deadline(loop));
	switch (result) {
	case -EINTR:
	case -ETIME:
	case -EAGAIN:
	case -EBUSY:
		return 0;
	default:
		return result < 0 ? result : 0;
	}
}

/* Take finished requests; call their ops unless @quiet. */
static void take_completions(struct loop *loop, bool quiet)
{
	struct io_uring_cqe *cqes[BATCH_MAX];
	unsigned nr = io_uring_peek_batch_cqe(&loop->ring, cqes, BATCH_MAX);

	for (unsigned i = 0; i < nr; i++) {
		struct loop_op *op = io_uring_cqe_get_data(cqes[i]);
		int result = cqes[i]->res;
		uint32_t flags = cqes[i]->flags;

		io_uring_cqe_seen(&loop->ring, cqes[i]);
		if (!(flags & IORING_CQE_F_MORE))
			loop->under_way--;
		if (op && !quiet)
			op->done(op, result, flags);
	}
}

int loop_turn(struct loop *loop)
{
	int error = enter(loop, run_works(loop));

	if (error)
		return error;
	take_completions(loop, false);
	fire_timers(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int error = 0;

	loop->stopped = false;
	while (!loop->stopped && !error)
		error = loop_turn(loop);
	return error ? error : loop->result;
}

void loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}

/* The kernel must not write into buffers that their owners free after us. */
static void cancel_all(struct loop *loop)
{
	struct io_uring_sqe *sqe = loop_sqe(loop);

	io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY);
	loop_mark(sqe, NULL);
	for (int i = 0; loop->under_way && i < CLOSE_TURNS_MAX; i++) {
		(void)wait_for_completion(loop,
					  io_monotonic_ns() + NS_PER_S / 100);
		take_completions(loop, true);
	}
}

void loop_close(struct loop *loop)
{
	if (!loop)
		return;
	cancel_all(loop);
	io_uring_queue_exit(&loop->ring);
	while (loop->watches)
		unlink_watch(loop->watches);
	free(loop);
}
