/* SPDX-License-Identifier: MIT */
#include "parent/turn.h"

#include <stddef.h>

static struct turn *first_of(const struct turns *turns, pid_t pid)
{
	struct turn *turn = turns->first;

	while (turn && turn->pid != pid)
		turn = turn->next;
	return turn;
}

int turn_take(struct turns *turns, struct turn *turn)
{
	struct turn **at = &turns->first;

	while (*at)
		at = &(*at)->next;
	*at = turn;
	turn->next = NULL;
	turn->in_line = true;
	return first_of(turns, turn->pid) == turn;
}

void turn_end(struct turns *turns, struct turn *turn)
{
	struct turn **at = &turns->first, *next;
	bool had_it;

	if (!turn->in_line)
		return;
	had_it = first_of(turns, turn->pid) == turn;
	while (*at != turn)
		at = &(*at)->next;
	*at = turn->next;
	turn->in_line = false;
	next = had_it ? first_of(turns, turn->pid) : NULL;
	if (next)
		next->begin(next);
}
