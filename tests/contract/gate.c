/* SPDX-License-Identifier: MIT */
#include "tests/contract/gate.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/contract/pattern.h"

struct gate {
	struct transport base;
	pthread_mutex_t lock;
	pthread_cond_t came, released;
	int fd; /* readable while something may be reaped */
	bool has_fd, broken, is_held;
	struct transport_read reads[GATE_READS_MAX];
	int results[GATE_READS_MAX];
	unsigned nr_came, nr_let, nr_reaped, limit;
};

struct gate *gate_of(struct transport *transport)
{
	return (struct gate *)transport;
}

static bool ready(const struct gate *gate)
{
	return gate->nr_reaped < gate->nr_came &&
	       (gate->nr_reaped < gate->nr_let || gate->broken);
}

static void update_fd(struct gate *gate)
{
	eventfd_t count;

	(void)eventfd_read(gate->fd, &count);
	if (ready(gate))
		(void)eventfd_write(gate->fd, 1);
}

static int gate_submit(struct transport *transport,
		       const struct transport_read *reads, unsigned nr)
{
	struct gate *gate = gate_of(transport);
	unsigned taken = 0;

	(void)pthread_mutex_lock(&gate->lock);
	while (taken < nr && gate->nr_came - gate->nr_reaped < gate->limit &&
	       gate->nr_came < GATE_READS_MAX &&
	       transport_read_is_legal(&reads[taken]))
		gate->reads[gate->nr_came++] = reads[taken++];
	update_fd(gate);
	(void)pthread_cond_broadcast(&gate->came);
	while (gate->is_held)
		(void)pthread_cond_wait(&gate->released, &gate->lock);
	(void)pthread_mutex_unlock(&gate->lock);
	if (!taken && !transport_read_is_legal(&reads[0]))
		return -EINVAL;
	return taken ? (int)taken : -EAGAIN;
}

static unsigned hand_out(struct gate *gate, struct transport_done *done,
			 unsigned max)
{
	unsigned nr = 0;

	for (; nr < max && ready(gate); gate->nr_reaped++) {
		const struct transport_read *read =
			&gate->reads[gate->nr_reaped];
		int result =
			gate->broken ? -EIO : gate->results[gate->nr_reaped];

		if (result == -EIO)
			gate->broken = true;
		if (!result)
			pattern_fill(read->object, read->raddr, read->buf,
				     read->len_bytes);
		done[nr].token = read->token;
		done[nr++].result = result;
	}
	update_fd(gate);
	return nr;
}

static int gate_reap(struct transport *transport, struct transport_done *done,
		     unsigned max, int timeout_ms)
{
	struct gate *gate = gate_of(transport);
	struct pollfd fd = {gate->fd, POLLIN, 0};
	bool idle;
	unsigned nr;

	(void)pthread_mutex_lock(&gate->lock);
	idle = gate->nr_reaped == gate->nr_came;
	(void)pthread_mutex_unlock(&gate->lock);
	if (!idle)
		(void)poll(&fd, 1, timeout_ms);
	(void)pthread_mutex_lock(&gate->lock);
	nr = hand_out(gate, done, max);
	(void)pthread_mutex_unlock(&gate->lock);
	return (int)nr;
}

static int gate_fd(struct transport *transport)
{
	struct gate *gate = gate_of(transport);

	return gate->has_fd ? gate->fd : -1;
}

static void gate_close(struct transport *transport)
{
	struct gate *gate = gate_of(transport);

	(void)close(gate->fd);
	(void)pthread_cond_destroy(&gate->came);
	(void)pthread_cond_destroy(&gate->released);
	(void)pthread_mutex_destroy(&gate->lock);
	free(gate);
}

static const struct transport_ops gate_ops = {
	.name = "gate",
	.submit = gate_submit,
	.reap = gate_reap,
	.fd = gate_fd,
	.close = gate_close,
};

struct transport *gate_new(bool has_fd)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	gate->base.ops = &gate_ops;
	gate->has_fd = has_fd;
	gate->limit = GATE_READS_MAX;
	gate->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)pthread_mutex_init(&gate->lock, NULL);
	(void)pthread_cond_init(&gate->came, NULL);
	(void)pthread_cond_init(&gate->released, NULL);
	return &gate->base;
}

bool gate_wait(struct gate *gate, unsigned nr)
{
	struct timespec until;
	int err = 0;
	bool came;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	(void)pthread_mutex_lock(&gate->lock);
	while (gate->nr_came < nr && !err)
		err = pthread_cond_timedwait(&gate->came, &gate->lock, &until);
	came = gate->nr_came >= nr;
	(void)pthread_mutex_unlock(&gate->lock);
	return came;
}

unsigned gate_nr(struct gate *gate)
{
	unsigned nr;

	(void)pthread_mutex_lock(&gate->lock);
	nr = gate->nr_came;
	(void)pthread_mutex_unlock(&gate->lock);
	return nr;
}

struct transport_read gate_read(struct gate *gate, unsigned at)
{
	struct transport_read read;

	(void)pthread_mutex_lock(&gate->lock);
	read = gate->reads[at];
	(void)pthread_mutex_unlock(&gate->lock);
	return read;
}

void gate_limit(struct gate *gate, unsigned nr)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->limit = nr;
	(void)pthread_mutex_unlock(&gate->lock);
}

void gate_hold(struct gate *gate, bool is_held)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->is_held = is_held;
	(void)pthread_cond_broadcast(&gate->released);
	(void)pthread_mutex_unlock(&gate->lock);
}

void gate_let(struct gate *gate, unsigned nr, int result)
{
	(void)pthread_mutex_lock(&gate->lock);
	for (; nr && gate->nr_let < GATE_READS_MAX; nr--)
		gate->results[gate->nr_let++] = result;
	update_fd(gate);
	(void)pthread_mutex_unlock(&gate->lock);
}
