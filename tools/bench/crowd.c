/* SPDX-License-Identifier: MIT */
/* crowd.c - see crowd.h */
#include "tools/bench/crowd.h"

#include <errno.h>
#include <string.h>

#include "common/say.h"

int crowd_open(struct bench *bench, bool is_fork, unsigned nr,
	       struct crowd *crowd)
{
	int error = 0;

	crowd->is_fork = is_fork;
	for (crowd->nr = 0; !error && crowd->nr < nr; crowd->nr += !error) {
		struct rival *child = &crowd->children[crowd->nr];

		child->peer = PEER_NONE;
		error = is_fork ? rival_start(&bench->parent, bench->dir, child)
				: bench_load(bench, &child->peer, &child->pid);
	}
	return error;
}

int crowd_ask(struct bench *bench, struct crowd *crowd, const char *command,
	      const char *word)
{
	char right[PEER_LINE_MAX], answer[PEER_LINE_MAX];
	int error = peer_ask(&bench->parent, command, word, right, NULL);

	for (unsigned i = 0; !error && i < crowd->nr; i++) {
		error = peer_ask(&crowd->children[i].peer, command, word,
				 answer, NULL);
		if (error || !strcmp(answer, right))
			continue;
		say_error("child %u answers %s with %s, its parent with %s",
			  i + 1, command, answer, right);
		error = -EBADMSG;
	}
	return error;
}

int crowd_memory(const struct crowd *crowd, struct pss *ret)
{
	struct pss sum = {0};
	int error = 0;

	for (unsigned i = 0; !error && i < crowd->nr; i++)
		error = pss_add(crowd->children[i].pid, &sum);
	if (!error)
		*ret = sum;
	return error;
}

void crowd_close(struct bench *bench, struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->nr; i++) {
		if (crowd->is_fork)
			(void)rival_end(&bench->parent, &crowd->children[i]);
		else
			peer_close(&crowd->children[i].peer);
	}
	crowd->nr = 0;
}
