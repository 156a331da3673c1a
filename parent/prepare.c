/* SPDX-License-Identifier: MIT */
/* prepare.c - see prepare.h */
#include "parent/prepare.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/page.h"
#include "common/trace.h"
#include "parent/exports.h"
#include "parent/keeper.h"

#define NS_PER_MS 1000000ull
/*
 * A process that does not stop in time (a vfork under way, a host out of CPUs)
 * is asked again: each try costs it no more than a pause that it can bear.
 */
#define TRIES_MAX   3u
#define TRY_WAIT_NS (150 * NS_PER_MS)

struct prepared {
	struct daemon *daemon;
	struct registry_image *image;
	struct keeper *keeper;
	struct exports *exports; /* NULL unless ready */
	struct loop_watch *watch;
	struct prepared *next_dying;
	struct loop_timer again;
	struct turn turn;
	unsigned tries;
	struct peer peer;
	struct serve_ticket ticket;
	const struct peer *client; /* names it only; NULL: it has left */
	bool waited_for;	   /* the ticket wants its answer */
	bool unheard;	/* who wanted it was gone when it was there */
	bool has_ended; /* dying: there is no image any more */
	bool died;	/* as nobody wished */
	int error;	/* why there will be no image; 0: not known */
	struct refusal why;
};

static void watch_keeper(struct prepared *prep);

/* What ended it was no failure of ours. */
static void find_reason(struct prepared *prep)
{
	if (prep->image->deadline_ns <= io_monotonic_ns())
		prep->error = refuse(&prep->why, -ETIMEDOUT,
				     "the snapshot of pid %d took too long",
				     prep->image->pid);
	else
		prep->error =
			refuse(&prep->why, -ECANCELED,
			       "image %s was released before it was there",
			       prep->image->name);
}

static void bury(struct prepared *prep)
{
	struct prepared **at = &prep->daemon->dying;

	while (*at != prep)
		at = &(*at)->next_dying;
	*at = prep->next_dying;
	turn_end(&prep->daemon->turns, &prep->turn);
	loop_drop(prep->daemon->loop, NULL, &prep->again);
	loop_unwatch(prep->daemon->loop, prep->watch);
	exports_free(prep->exports);
	keeper_release(prep->keeper);
	free(prep);
}

static void twin_died(void *arg)
{
	struct prepared *prep = arg;

	prep->watch = NULL;
	bury(prep);
}

void prepare_wait(struct daemon *daemon)
{
	while (daemon->dying)
		bury(daemon->dying);
}

/* A GiB of twin takes some 50 ms to die: who reads other images meanwhile must
 * not wait for it. */
static void kill_twin(struct prepared *prep)
{
	struct daemon *daemon = prep->daemon;
	int fd = prep->keeper ? keeper_kill(prep->keeper) : -1;

	turn_end(&daemon->turns, &prep->turn);
	if (fd < 0 ||
	    loop_watch(daemon->loop, fd, twin_died, prep, &prep->watch))
		bury(prep);
}

static struct prepared *of_timer(struct loop_timer *again)
{
	return (struct prepared *)((char *)again -
				   offsetof(struct prepared, again));
}

static void patience_is_over(struct loop_timer *timer)
{
	struct prepared *prep = of_timer(timer);

	loop_unwatch(prep->daemon->loop, prep->watch);
	prep->watch = NULL;
	kill_twin(prep);
}

/* In its pause it must not die, and nobody else waits for that. */
static void await_keeper(struct prepared *prep)
{
	keeper_call_off(prep->keeper);
	prep->again.fired = patience_is_over;
	prep->again.deadline_ns =
		io_monotonic_ns() + KEEPER_ANSWER_MS * NS_PER_MS;
	loop_add_timer(prep->daemon->loop, &prep->again);
	watch_keeper(prep);
}

/* What the keeper registers just now must be known, to be taken back. */
static void begin_to_die(struct prepared *prep)
{
	struct daemon *daemon = prep->daemon;

	prep->has_ended = true;
	prep->next_dying = daemon->dying;
	daemon->dying = prep;
	exports_end(prep->exports);
	if (prep->exports && exports_under_way(prep->exports))
		watch_keeper(prep);
	else if (prep->keeper && keeper_owes(prep->keeper))
		await_keeper(prep);
	else
		kill_twin(prep);
}

/* For the log: who had an image of what, until when. */
static void tell_begin(const struct prepared *prep)
{
	const struct registry_image *image = prep->image;

	logbook_say(&prep->daemon->deeds, io_monotonic_ns(),
		    "image %s of pid %d for user %u: paused %.2f ms",
		    image->name, image->pid, image->owner,
		    (double)image->content.pause_ns / NS_PER_MS);
}

static void tell_refusal(struct daemon *daemon, pid_t pid,
			 const struct peer *peer, const char *why)
{
	char who[32] = "somebody";

	if (peer->known)
		(void)snprintf(who, sizeof(who), "user %u", peer->uid);
	logbook_say(&daemon->deeds, io_monotonic_ns(),
		    "no image of pid %d for %s: %s", pid, who, why);
}

static void tell_end(const struct prepared *prep)
{
	const struct registry_image *image = prep->image;
	uint64_t now_ns = io_monotonic_ns();
	const char *why = "released";

	if (prep->died)
		why = "what held its pages died";
	else if (prep->unheard)
		why = "nobody waited for it";
	else if (!prep->daemon->serve)
		why = "the daemon ends";
	else if (image->deadline_ns <= now_ns)
		why = "its lease is over";
	logbook_say(&prep->daemon->deeds, now_ns,
		    "image %s of pid %d ended: %s", image->name, image->pid,
		    why);
}

/* The image is gone: the last words to who waits, and the pages go too. */
static void prepared_end(void *arg)
{
	struct prepared *prep = arg;
	struct daemon *daemon = prep->daemon;

	if (!prep->error)
		find_reason(prep);
	if (!prep->why.why[0])
		(void)refuse(&prep->why, prep->error, "%s",
			     strerror(-prep->error));
	if (prep->waited_for && daemon->serve)
		(void)serve_refuse(&prep->ticket, prep->error, prep->why.why);
	if (prep->waited_for) {
		daemon->refused++;
		TRACE(prepare__end, prep->image->pid, prep->error, 0, 0);
		tell_refusal(daemon, prep->image->pid, &prep->peer,
			     prep->why.why);
	} else {
		daemon->ended++;
		tell_end(prep);
	}
	loop_drop(daemon->loop, NULL, &prep->again);
	loop_unwatch(daemon->loop, prep->watch);
	prep->watch = NULL;
	begin_to_die(prep);
}

static uint64_t present_bytes(const struct image *image)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < image->nr_runs; i++)
		pages += image->runs[i].nr_pages;
	return pages * PAGE_BYTES;
}

/* Dead, it is readable, and all that follows is as with any dead keeper. */
static void keeper_is_stuck(void *arg)
{
	const struct prepared *prep = arg;

	(void)keeper_kill(prep->keeper);
}

/* Without (no memory) it is served by messages. */
static void prepare_exports(struct prepared *prep,
			    const struct keeper_result *result)
{
	const struct exports_origin origin = {
		.loop = prep->daemon->loop,
		.keeper = prep->keeper,
		.result = result,
		.account = &prep->daemon->exports,
		.stuck = keeper_is_stuck,
		.arg = prep,
	};

	(void)exports_new(&origin, &prep->exports);
}

static int publish(struct prepared *prep, const struct keeper_result *result)
{
	struct registry_content content = {
		.source = result->source,
		.exports = prep->exports,
		.desc = result->desc,
		.desc_bytes = result->desc_bytes,
		.pause_ns = result->image->pause_ns,
		.prepare_ns = result->image->prepare_ns,
		.present_bytes = present_bytes(result->image),
		.lineage = lineage_of(result->image),
	};

	memcpy(content.comm, result->image->comm, REGISTRY_COMM_BYTES);
	return registry_publish(prep->image, &content);
}

/* Tell the name and the key; an image that nobody was told of is no use. */
static int answer(struct prepared *prep)
{
	const struct registry_image *image = prep->image;
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_image told;
	int error;

	memcpy(told.name, image->name, sizeof(told.name));
	memcpy(told.key, image->key, sizeof(told.key));
	prep->waited_for = false;
	error = serve_answer(&prep->ticket, body, wire_put_image(body, &told));
	prep->unheard = error != 0;
	return error;
}

static int finish(struct prepared *prep)
{
	const struct keeper_result *result;
	int error;

	error = keeper_finish(prep->keeper, &result, &prep->why);
	if (error)
		return error;
	prepare_exports(prep, result);
	error = publish(prep, result);
	if (error)
		return refuse(&prep->why, error, "no memory");
	prep->daemon->prepared++;
	timing_add(&prep->daemon->pauses, result->image->pause_ns);
	timing_add(&prep->daemon->prepares, result->image->prepare_ns);
	TRACE(prepare__end, prep->image->pid, 0, result->image->prepare_ns,
	      result->image->pause_ns);
	tell_begin(prep);
	return answer(prep);
}

static void settle(struct prepared *prep, int error)
{
	struct daemon *daemon = prep->daemon;

	if (error) {
		prep->died =
			prep->image->state == REGISTRY_READY && !prep->unheard;
		daemon->died += prep->died;
		prep->error = error;
		registry_end(prep->image);
	}
	daemon_rearm(daemon);
}

static void try_again(struct prepared *prep)
{
	keeper_release(prep->keeper);
	prep->keeper = NULL;
	prep->again.deadline_ns = io_monotonic_ns() + TRY_WAIT_NS;
}

/* The keeper is done, or, once the image is ready, has lent it, or is dead. */
static void keeper_ready(void *arg)
{
	struct prepared *prep = arg;
	int error = -ESTALE;

	prep->watch = NULL;
	if (prep->has_ended) {
		loop_drop(prep->daemon->loop, NULL, &prep->again);
		if (prep->exports)
			(void)exports_answered(prep->exports);
		kill_twin(prep);
		return;
	}
	if (prep->image->state == REGISTRY_PREPARING)
		error = finish(prep);
	else if (prep->exports && exports_under_way(prep->exports))
		error = exports_answered(prep->exports) ? -ESTALE : 0;
	else if (keeper_alive(prep->keeper))
		error = 0;
	if (error == -EBUSY && prep->tries < TRIES_MAX) {
		try_again(prep);
		return;
	}
	if (!error) {
		turn_end(&prep->daemon->turns, &prep->turn);
		watch_keeper(prep);
	}
	settle(prep, error);
}

/* Without a watch (no memory) READs still tell a dead twin by themselves. */
static void watch_keeper(struct prepared *prep)
{
	(void)loop_watch(prep->daemon->loop, keeper_fd(prep->keeper),
			 keeper_ready, prep, &prep->watch);
}

static int start_keeper(struct prepared *prep)
{
	const struct keeper_request request = {
		.pid = prep->image->pid,
		.uid = prep->peer.uid,
		.gid = prep->peer.gid,
		.snapshot = prep->daemon->options.snapshot,
	};
	int error;

	prep->tries++;
	TRACE(prepare__begin, request.pid, prep->tries);
	error = spare_start(&prep->daemon->spare, &request, &prep->keeper);
	if (error)
		return refuse(&prep->why, error,
			      "cannot start a process for the snapshot: %s",
			      strerror(-error));
	return loop_watch(prep->daemon->loop, keeper_fd(prep->keeper),
			  keeper_ready, prep, &prep->watch);
}

/* Nothing is done to a process for the sake of nobody. */
static void again_fired(struct loop_timer *timer)
{
	struct prepared *prep = of_timer(timer);

	if (prep->client)
		settle(prep, start_keeper(prep));
	else
		settle(prep,
		       refuse(&prep->why, -ECANCELED, "nobody waited for it"));
}

/* The keeper that is at work goes on: what it does costs no less when ended. */
void prepare_left(struct daemon *daemon, const struct peer *peer)
{
	const struct registry_image *image = registry_first(daemon->registry);

	for (; image; image = image->next) {
		struct prepared *prep = image->end_arg;

		if (prep->client != peer)
			continue;
		prep->client = NULL;
		if (image->state == REGISTRY_PREPARING && !prep->keeper)
			prep->again.deadline_ns = io_monotonic_ns();
	}
}

/* Not at once: who would not get a keeper would call the next one from here. */
static void turn_has_come(struct turn *turn)
{
	struct prepared *prep =
		(struct prepared *)((char *)turn -
				    offsetof(struct prepared, turn));

	prep->again.deadline_ns = io_monotonic_ns();
}

static void begin(struct prepared *prep, struct daemon *daemon,
		  const struct peer *peer, const struct serve_ticket *ticket)
{
	prep->daemon = daemon;
	prep->peer = *peer;
	prep->client = peer;
	prep->ticket = *ticket;
	prep->waited_for = true;
	prep->again.fired = again_fired;
	loop_add_timer(daemon->loop, &prep->again);
	prep->turn.pid = prep->image->pid;
	prep->turn.begin = turn_has_come;
	if (turn_take(&daemon->turns, &prep->turn))
		settle(prep, start_keeper(prep));
	else
		settle(prep, 0);
}

void prepare_image(struct daemon *daemon, const struct wire_prepare *wanted,
		   const struct peer *peer, const struct serve_ticket *ticket)
{
	struct prepared *prep = calloc(1, sizeof(*prep));
	const struct registry_claim claim = {
		.name = wanted->name,
		.pid = wanted->pid,
		.lease_s = wanted->lease_s,
		.owner = peer,
		.end = prepared_end,
		.end_arg = prep,
	};
	struct refusal why = {"no memory"};
	int error = -ENOMEM;

	if (prep)
		error = registry_claim(daemon->registry, &claim, &prep->image,
				       &why);
	if (!error) {
		begin(prep, daemon, peer, ticket);
		return;
	}
	daemon->refused++;
	tell_refusal(daemon, wanted->pid, peer, why.why);
	(void)serve_refuse(ticket, error, why.why);
	free(prep);
}
