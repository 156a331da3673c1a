/* SPDX-License-Identifier: MIT */
#include "loader/serve_children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define SPARE_FDS 16 /* one child's, while it is made */

/* ---- places ---- */

static bool is_free(const struct serve_child *child)
{
	return child->charge.state == CHARGE_NONE;
}

static struct serve_child *free_child(const struct serve_children *children)
{
	for (unsigned i = 0; i < children->nr_places; i++)
		if (is_free(&children->places[i]))
			return &children->places[i];
	return NULL;
}

/* Children whose end has not been told. */
static unsigned nr_there(const struct serve_children *children)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < children->nr_places; i++)
		nr += !is_free(&children->places[i]) &&
		      !children->places[i].told;
	return nr;
}

bool serve_children_any(const struct serve_children *children)
{
	for (unsigned i = 0; i < children->nr_places; i++)
		if (children->places[i].charge.pid > 0)
			return true;
	return false;
}

static unsigned nr_free(const struct serve_children *children)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < children->nr_places; i++)
		nr += is_free(&children->places[i]);
	return nr;
}

/* Children that have ended, but for what they left running. */
static unsigned nr_leaving(const struct serve_children *children)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < children->nr_places; i++)
		nr += children->places[i].told &&
		      !children->places[i].charge.pid;
	return nr;
}

/*
 * The child's place is over, when nothing of it is left.  The load that the
 * charge knows is its client's.
 */
static void free_place(struct serve_child *child)
{
	struct serve_client *client = child->client;

	charge_done(&child->charge);
	*child = (struct serve_child){0};
	serve_client_unplace(client);
}

/* ---- to all of a client ---- */

static void kill_child(struct serve_child *child)
{
	if (child->charge.pid <= 0)
		return;
	(void)kill(child->charge.pid, SIGKILL);
	child->killed = true;
}

void serve_children_kill(struct serve_children *children,
			 const struct serve_client *client)
{
	for (unsigned i = 0; i < children->nr_places; i++) {
		struct serve_child *child = &children->places[i];

		if (is_free(child) || (client && child->client != client))
			continue;
		kill_child(child);
	}
}

void serve_children_signal(const struct serve_children *children,
			   const struct serve_client *client, int signo)
{
	for (unsigned i = 0; i < children->nr_places; i++)
		if (!is_free(&children->places[i]) &&
		    children->places[i].client == client)
			charge_signal(&children->places[i].charge, signo);
}

/* Words are told once, and before all else there is to say. */
void serve_children_refuse(struct serve_children *children,
			   struct serve_client *client, int error,
			   const char *words)
{
	if (!client->over)
		serve_client_tell_words(client, ASK_REFUSED, error, words);
	client->over = true;
	/* Whoever reads a pipe of them must see its end. */
	serve_client_drop_fds(client);
	serve_children_kill(children, client);
}

/* ---- begin ---- */

/* Our descriptors must stay below those of any child. */
static bool has_fds(const struct load *load)
{
	CLEANUP_CLOSE int next = fcntl(0, F_DUPFD_CLOEXEC, 0);

	return next >= 0 && next + SPARE_FDS < load->facts.fd_base;
}

static int start_child(struct serve_client *client, struct serve_child *child,
		       struct why *why)
{
	struct serve_image *image = child->image;
	struct charge_options options = {
		.load = &client->load,
		.watchdog = image->watchdog.sock,
		.terminal =
			client->ask.has_terminal ? client->request.fds[3] : -1,
	};
	int error = 0;

	memcpy(options.stdio, client->request.fds, sizeof(options.stdio));
	if (!has_fds(image->load))
		error = why_set(why, -EMFILE, "too many descriptors are open");
	if (!error && image->worlds)
		error = worlds_take(image->worlds, &options.world, why);
	if (error)
		return error;
	error = charge_start(&child->charge, &options);
	charge_settle(&child->charge);
	if (error)
		(void)why_set(why, error, "%s", child->charge.why.text);
	if (child->charge.pid <= 0) {
		charge_done(&child->charge); /* nothing was begun */
		return error;
	}
	client->nr_live++;
	client->nr_untold++;
	client->nr_loading++;
	return error;
}

static int check_room(const struct serve_children *children, unsigned nr,
		      struct why *why)
{
	unsigned there = nr_there(children), leaving = nr_leaving(children);

	if (nr + there > children->max)
		return why_set(why, -EAGAIN,
			       "%u of %u children are there already: ask for "
			       "fewer, or serve with a higher --max",
			       there, children->max);
	if (nr <= nr_free(children))
		return 0;
	if (!leaving)
		return why_set(why, -EAGAIN,
			       "earlier children are still ending");
	return why_set(why, -EAGAIN,
		       "%u earlier children have left processes running, "
		       "which are served still: end them, or serve with a "
		       "higher --max",
		       leaving);
}

int serve_children_start(struct serve_children *children,
			 struct serve_client *client, struct serve_image *image,
			 struct why *why)
{
	int error = check_room(children, client->ask.nr_children, why);

	for (uint32_t i = 0; !error && i < client->ask.nr_children; i++) {
		struct serve_child *child = free_child(children);

		*child = (struct serve_child){
			.client = client,
			.image = image,
			.index = i,
		};
		error = start_child(client, child, why);
	}
	if (image->worlds)
		worlds_ahead(image->worlds);
	return error;
}

/* ---- what becomes of them ---- */

static void now_runs(struct serve_child *child)
{
	struct serve_client *client = child->client;

	child->runs = true;
	if (client->ask.wants_pids)
		serve_client_tell_pid(client, child->index,
				      child->charge.pidfd);
	if (--client->nr_loading || client->over)
		return;
	serve_client_drop_fds(client);
	serve_client_tell(client, ASK_STARTED, 0, 0);
	client->over = client->started = true;
}

static void has_ended(struct serve_children *children,
		      struct serve_child *child)
{
	const struct charge *charge = &child->charge;
	struct serve_client *client = child->client;

	child->told = true;
	client->nr_untold--;
	if (!child->runs)
		client->nr_loading--;
	if (charge->killed)
		serve_client_tell_words(client, ASK_KILLED, 0,
					charge->why.text);
	if (!client->over && !child->runs)
		serve_children_refuse(children, client, -ECHILD,
				      charge->why.text);
	serve_client_tell(client, ASK_ENDED, child->index, charge->status);
}

/*
 * Without an init what it left running goes on, and asks the same guard, or has
 * its memory brought a batch a turn.
 */
static bool is_over(const struct serve_child *child)
{
	const struct charge *charge = &child->charge;

	return child->told && !charge->pid &&
	       (charge->init || (!charge->guard && !charge->pager));
}

/* What became of @child since the last turn. */
static void look_at(struct serve_children *children, struct serve_child *child)
{
	struct charge *charge = &child->charge;

	if (!child->runs && charge->state == CHARGE_RUNNING)
		now_runs(child);
	if (!child->told && charge->state == CHARGE_ENDED) {
		/* It was quick: it ran and ended in one turn. */
		if (!child->runs && !charge->why.text[0])
			now_runs(child);
		has_ended(children, child);
	}
	/* Its init may have ended since it said so, or be about to. */
	if (charge->empty && child->told && charge->pid && !child->killed &&
	    !charge->killed)
		worlds_give(child->image->worlds, charge_take_world(charge));
	if (is_over(child))
		free_place(child);
}

static void step(struct serve_children *children, struct serve_child *child,
		 const struct pollfd *polls)
{
	int stopped = charge_step(&child->charge, polls);

	if (stopped)
		serve_client_tell(child->client, ASK_STOPPED, child->index,
				  stopped);
	if (child->told && charge_pages_on(&child->charge))
		charge_let_go_some(&child->charge);
	look_at(children, child);
}

bool serve_children_busy(const struct serve_children *children)
{
	for (unsigned i = 0; i < children->nr_places; i++)
		if (children->places[i].told &&
		    charge_pages_on(&children->places[i].charge))
			return true;
	return false;
}

unsigned serve_children_polls(const struct serve_children *children,
			      struct pollfd *polls)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < children->nr_places; i++) {
		if (is_free(&children->places[i]))
			continue;
		charge_polls(&children->places[i].charge, polls + nr);
		nr += CHARGE_POLLS;
	}
	return nr;
}

unsigned serve_children_step(struct serve_children *children,
			     const struct pollfd *polls)
{
	unsigned at = 0;

	for (unsigned i = 0; i < children->nr_places; i++) {
		if (is_free(&children->places[i]))
			continue;
		step(children, &children->places[i], polls + at);
		at += CHARGE_POLLS;
	}
	return at;
}

bool serve_children_reaped(struct serve_children *children, pid_t pid,
			   int status)
{
	for (unsigned i = 0; i < children->nr_places; i++) {
		struct serve_child *child = &children->places[i];

		if (is_free(child) || child->charge.pid != pid)
			continue;
		charge_reaped(&child->charge, status, NULL);
		look_at(children, child);
		return true;
	}
	return false;
}

void serve_children_unguarded(struct serve_children *children,
			      const struct serve_image *image)
{
	for (unsigned i = 0; i < children->nr_places; i++)
		if (!is_free(&children->places[i]) &&
		    children->places[i].image == image)
			charge_kill(&children->places[i].charge,
				    "its watchdog ended");
}

/* ---- life ---- */

int serve_children_init(struct serve_children *children, unsigned max)
{
	children->max = max;
	children->nr_places = 2 * max;
	children->places =
		calloc(children->nr_places, sizeof(*children->places));
	return children->places ? 0 : -ENOMEM;
}

/* What children without an init have left running may be there still. */
void serve_children_done(struct serve_children *children)
{
	for (unsigned i = 0; children->places && i < children->nr_places; i++)
		if (!is_free(&children->places[i]))
			free_place(&children->places[i]);
	free(children->places);
}
