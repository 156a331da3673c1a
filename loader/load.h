/* SPDX-License-Identifier: MIT */
/*
 * load.h - everything about a load that is the same for each of its children
 *
 * What comes before plan.h: open the image, look at this host,
 * refuse what must be refused, and make the plan.  Read-only afterwards, so
 * that one parse serves any number of children.
 */
#pragma once

#include <stdbool.h>

#include "loader/backing.h"
#include "loader/check.h"
#include "loader/fate.h"
#include "loader/imagedir.h"
#include "loader/leads.h"
#include "loader/pager.h"
#include "loader/plan.h"

#define LOAD_CHILDREN_MAX 1024u

struct load_options {
	const char *dir;
	const char *exe;  /* --exe=PATH, or NULL */
	const char *cwd;  /* --cwd=PATH, or NULL */
	const char *root; /* --root=PATH, or NULL */
	enum plan_memory memory;
	bool new_pid;
	bool profiled; /* loader/outcome.h is wanted */
	bool linger;   /* what the child leaves running goes on without it */
	unsigned nr_children;
	uint64_t cookie; /* random, for the guard */
	struct fate_options fates;
	bool fates_later; /* load_with() brings them */
};

struct load {
	const struct load_options *options;
	struct imagedir *dir;
	struct place_maps maps;
	struct plan_facts facts;
	struct plan *plan;
	struct fate *fates;
	struct backing *backing;  /* for the guard: stays where it is */
	struct pager_area *areas; /* one for each of plan->paged */
	int exe_fd;
	dev_t dev; /* of the image's files, as PROCMAP_QUERY tells it */
	bool same_host;
	bool direct; /* its children have no init: nspace_is_direct() */
	enum load_leads leads;
};

/*
 * Prepare to load options->dir.  @options are borrowed.  Blocks on the image.
 * With fates_later a descriptor that only a choice can give is no failure: then
 * @why has the words with 0, too.
 *
 * Returns 0, or -errno with words in @why.
 */
int load_open(const struct load_options *options, struct load **ret_load,
	      struct why *why);

/*
 * @base with other @options, of which only linger, cwd, root and fates count,
 * for children whose stdin, stdout and stderr are @stdio.  Fast: nothing is
 * read.
 * @ret_load borrows both; free it with load_done_with() before load_close().
 *
 * 0, or -errno with words in @why.
 */
int load_with(const struct load *base, const struct load_options *options,
	      const int stdio[3], struct load *ret_load, struct why *why);

void load_done_with(struct load *load);

/* Where copies of --fd N=M lie in the child, one after the other. */
int load_choices_fd(const struct load *load);

/*
 * Map the image's areas here, once, so that each child begins with them: they
 * come with the fork, which copies no page table of a file that nobody has
 * written to.  For more than one child.  Before jump_prepare().
 *
 * 0, or -errno with words, and then each child maps its own: -EOPNOTSUPP for
 * an image that has to be (shared memory, --memory=own, one without .space),
 * -EEXIST where our own maps are in the way.
 */
int load_lay(struct load *load, struct why *why);

void load_close(struct load *load);
