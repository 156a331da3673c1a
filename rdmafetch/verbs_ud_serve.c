/* SPDX-License-Identifier: MIT */
/* verbs_ud_serve.c - see verbs_ud_serve.h */
#include "rdmafetch/verbs_ud_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "rdmafetch/verbs_accept.h"
#include "rdmafetch/verbs_ud_post.h"

#define NS_PER_S 1000000000ull
/* Between two looks at devices and silent guests. */
#define LOOK_NS (5 * NS_PER_S)
/* Completions of a device in one turn; other servers have their turn then. */
#define POLL_MAX 256
/* As verbs_serve.c: less than what an event costs. */
#define SPIN_NS 30000u

struct verbs_ud_serve {
	struct server server;
	struct loop *loop;
	struct loop_work work;
	struct loop_timer timer;
	struct verbs_accept *accept;
	struct dgram_guests *guests;
	struct verbs_ud_post *posts;
	uint64_t busy_ns; /* when something last came */
};

static struct verbs_ud_serve *serve_of(const void *member, size_t offset)
{
	return (struct verbs_ud_serve *)((char *)member - offset);
}

/* ---- who looks for us ---- */

static int find_post(struct verbs_ud_serve *serve, const struct rdma_cm_id *id,
		     struct verbs_ud_post **ret)
{
	struct verbs_ud_post *post = serve->posts;
	int error;

	while (post && !verbs_ud_post_is_of(post, id))
		post = post->next;
	if (!post) {
		error = verbs_ud_post_open(serve->loop, id, &post);
		if (error)
			return error;
		post->next = serve->posts;
		serve->posts = post;
	}
	*ret = post;
	return 0;
}

/* Whoever asks is told our queue pair's number, and that is all: no state. */
static int wanted(void *arg, struct rdma_cm_id *id,
		  const struct rdma_conn_param *param)
{
	struct verbs_ud_serve *serve = arg;
	struct rdma_conn_param answer = {0};
	struct verbs_ud_post *post;
	int error = find_post(serve, id, &post);

	if (error)
		return error;
	answer.qp_num = post->ud.qp->qp_num;
	if (rdma_accept(id, &answer))
		return -errno;
	(void)rdma_destroy_id(id);
	return 0;
}

static void nothing(void *arg, void *client)
{
}

static void look_soon(struct verbs_ud_serve *serve, uint64_t in_ns)
{
	uint64_t deadline_ns = io_monotonic_ns() + in_ns;

	if (!serve->timer.deadline_ns || serve->timer.deadline_ns > deadline_ns)
		serve->timer.deadline_ns = deadline_ns;
}

static void listener_lost(void *arg)
{
	look_soon(arg, NS_PER_S);
}

static const struct vaccept_ops accept_ops = {
	.wanted = wanted,
	.connected = nothing,
	.gone = nothing,
	.lost = listener_lost,
};

/* ---- turns ---- */

/* Devices that are gone, and queue pairs that broke: the next who looks for us
 * gets another. */
static void sweep(struct verbs_ud_serve *serve)
{
	struct verbs_ud_post **at = &serve->posts, *post;

	while ((post = *at)) {
		if (!post->hub->is_dead && !post->ud.is_broken) {
			at = &post->next;
			continue;
		}
		*at = post->next;
		dgram_guests_drop(serve->guests, &post->out);
		verbs_ud_post_close(post);
	}
}

static void timer_fired(struct loop_timer *timer)
{
	struct verbs_ud_serve *serve =
		serve_of(timer, offsetof(struct verbs_ud_serve, timer));

	for (struct verbs_ud_post *post = serve->posts; post; post = post->next)
		verbs_hub_watch(post->hub);
	vaccept_poll(serve->accept);
	dgram_guests_expire(serve->guests, io_monotonic_ns());
	sweep(serve);
	look_soon(serve, LOOK_NS);
}

static int poll_posts(const struct verbs_ud_serve *serve, uint64_t now_ns)
{
	int total = 0;

	for (struct verbs_ud_post *post = serve->posts; post;
	     post = post->next) {
		post->hub->now_ns = now_ns;
		total += verbs_ud_post_poll(post, serve->guests, POLL_MAX);
	}
	return total;
}

/* Answers of the handler's came from anywhere in the last turn. */
static void flush_posts(const struct verbs_ud_serve *serve)
{
	for (struct verbs_ud_post *post = serve->posts; post; post = post->next)
		verbs_ud_flush(&post->ud);
}

/* Before sleeping.  1 when something came before a queue was armed. */
static int arm_posts(struct verbs_ud_serve *serve, uint64_t now_ns)
{
	int armed = 0;

	for (struct verbs_ud_post *post = serve->posts; post; post = post->next)
		armed |= verbs_hub_arm(post->hub);
	if (!armed || !poll_posts(serve, now_ns))
		return 0;
	flush_posts(serve);
	serve->busy_ns = now_ns;
	return 1;
}

static int serve_turn(struct loop_work *work)
{
	struct verbs_ud_serve *serve =
		serve_of(work, offsetof(struct verbs_ud_serve, work));
	uint64_t now_ns;

	if (!serve->posts)
		return 0;
	now_ns = io_monotonic_ns();
	if (poll_posts(serve, now_ns))
		serve->busy_ns = now_ns;
	flush_posts(serve);
	sweep(serve);
	if (now_ns - serve->busy_ns < SPIN_NS)
		return 1;
	return arm_posts(serve, now_ns);
}

/* ---- answers ---- */

static struct dgram_guests *guests_of(struct server *server)
{
	return serve_of(server, offsetof(struct verbs_ud_serve, server))
		->guests;
}

static int ud_answer(struct server *server, const struct serve_ticket *ticket,
		     const void *body, size_t body_bytes,
		     const struct serve_tail *tail)
{
	const struct dgram_answer answer = {0, body, body_bytes, tail};

	return dgram_guests_answer(guests_of(server), ticket, &answer);
}

static int ud_refuse(struct server *server, const struct serve_ticket *ticket,
		     int error, const char *why)
{
	const struct dgram_answer answer = {error, why,
					    strnlen(why, WIRE_WHY_MAX), NULL};

	return dgram_guests_answer(guests_of(server), ticket, &answer);
}

static const struct server_ops ud_server_ops = {
	.answer = ud_answer,
	.refuse = ud_refuse,
};

/* ---- life ---- */

int verbs_ud_serve_open(struct loop *loop, const struct serve_options *options,
			const struct serve_ops *ops, void *arg,
			struct verbs_ud_serve **ret)
{
	struct verbs_ud_serve *serve;
	int error;

	if (serve_options_check(options))
		return -EINVAL;
	serve = calloc(1, sizeof(*serve));
	if (!serve)
		return -ENOMEM;
	serve->server = (struct server){
		.ops = &ud_server_ops,
		.options = *options,
		.handler = ops,
		.handler_arg = arg,
	};
	serve->loop = loop;
	error = dgram_guests_open(&serve->server, &serve->guests);
	if (!error)
		error = vaccept_open(loop, RDMA_PS_UDP, &accept_ops, serve,
				     &serve->accept);
	if (error) {
		dgram_guests_close(serve->guests);
		free(serve);
		return error;
	}
	serve->work.run = serve_turn;
	serve->timer.fired = timer_fired;
	loop_add_work(loop, &serve->work);
	loop_add_timer(loop, &serve->timer);
	look_soon(serve, LOOK_NS);
	*ret = serve;
	return 0;
}

int verbs_ud_serve_listen(struct verbs_ud_serve *serve,
			  const struct sockaddr *addr, uint16_t *ret_port)
{
	return vaccept_listen(serve->accept, addr, ret_port);
}

void verbs_ud_serve_get_stats(const struct verbs_ud_serve *serve,
			      struct serve_stats *ret_stats)
{
	*ret_stats = serve->server.stats;
}

void verbs_ud_serve_close(struct verbs_ud_serve *serve)
{
	struct verbs_ud_post *post;

	if (!serve)
		return;
	dgram_guests_close(serve->guests);
	while ((post = serve->posts)) {
		serve->posts = post->next;
		verbs_ud_post_close(post);
	}
	vaccept_close(serve->accept);
	loop_drop(serve->loop, &serve->work, &serve->timer);
	free(serve);
}
