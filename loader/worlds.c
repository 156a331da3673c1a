/* SPDX-License-Identifier: MIT */
/*
 * worlds.c - a stack of those that wait, and a list of those that die
 */
#include "loader/worlds.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "loader/init.h"

#define AHEAD 1u /* begun while each child that may be there has one */

struct worlds {
	const struct load *load;
	struct charge_world *idle, *dying;
	unsigned nr_idle, nr_dying, max;
};

struct worlds *worlds_open(const struct load *load, unsigned max)
{
	struct worlds *worlds = calloc(1, sizeof(*worlds));

	if (!worlds)
		return NULL;
	worlds->load = load;
	worlds->max = max + AHEAD;
	worlds->idle = calloc(worlds->max, sizeof(*worlds->idle));
	worlds->dying = calloc(worlds->max, sizeof(*worlds->dying));
	if (worlds->idle && worlds->dying)
		return worlds;
	worlds_close(worlds);
	return NULL;
}

static int begin(const struct load *load, struct init **ret_init,
		 struct why *why)
{
	const struct init_options options = {
		.guarded = load->options->memory == PLAN_MEMORY_SHARED,
		.stays = true,
		.cookie = load->options->cookie,
	};

	return init_begin(&options, ret_init, why);
}

static void end(struct charge_world *world)
{
	guard_close(world->guard);
	world->guard = NULL;
	init_abandon(world->init);
}

/* Its end is told by worlds_reaped(); to wait for it here would take long. */
static void drop(struct worlds *worlds, struct charge_world world)
{
	if (worlds->nr_dying == worlds->max) {
		end(&world);
		return;
	}
	(void)kill(init_pid(world.init), SIGKILL);
	worlds->dying[worlds->nr_dying++] = world;
}

int worlds_take(struct worlds *worlds, struct charge_world *ret_world,
		struct why *why)
{
	struct charge_world world = {NULL, NULL};
	int error;

	while (worlds->nr_idle) {
		world = worlds->idle[--worlds->nr_idle];
		if (!init_has_changed(world.init)) {
			*ret_world = world;
			return 0;
		}
		drop(worlds, world);
	}
	world.guard = NULL;
	error = begin(worlds->load, &world.init, why);
	if (!error)
		*ret_world = world;
	return error;
}

void worlds_ahead(struct worlds *worlds)
{
	struct charge_world world = {NULL, NULL};
	struct why why = {""};

	if (!worlds->nr_idle && !begin(worlds->load, &world.init, &why))
		worlds->idle[worlds->nr_idle++] = world;
}

void worlds_give(struct worlds *worlds, struct charge_world world)
{
	if (worlds->nr_idle == worlds->max)
		drop(worlds, world);
	else
		worlds->idle[worlds->nr_idle++] = world;
}

/* Take the world of @pid out of @list. */
static bool forget(struct charge_world *list, unsigned *nr, pid_t pid)
{
	for (unsigned i = 0; i < *nr; i++) {
		if (init_pid(list[i].init) != pid)
			continue;
		guard_close(list[i].guard);
		init_free(list[i].init);
		list[i] = list[--*nr];
		return true;
	}
	return false;
}

bool worlds_reaped(struct worlds *worlds, pid_t pid)
{
	return forget(worlds->dying, &worlds->nr_dying, pid) ||
	       forget(worlds->idle, &worlds->nr_idle, pid);
}

void worlds_close(struct worlds *worlds)
{
	if (!worlds)
		return;
	for (unsigned i = 0; i < worlds->nr_idle; i++)
		end(&worlds->idle[i]);
	for (unsigned i = 0; i < worlds->nr_dying; i++)
		end(&worlds->dying[i]);
	free(worlds->idle);
	free(worlds->dying);
	free(worlds);
}
