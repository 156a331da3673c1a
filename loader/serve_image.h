/* SPDX-License-Identifier: MIT */
/*
 * serve_image.h - an image that is served: what its children are made from
 *
 * One thread.
 */
#pragma once

#include "loader/load.h"
#include "loader/watchdog.h"
#include "loader/why.h"
#include "loader/worlds.h"

struct serve_image {
	const struct load *load;  /* borrowed */
	struct worlds *worlds;	  /* NULL: its children have no init */
	struct watchdog watchdog; /* of those */
};

/*
 * Begin the first world of @load ahead, or its watchdog: for @max children at
 * once, in @nr_places.  0, or -errno with words; serve_image_close() either
 * way.
 */
int serve_image_open(struct serve_image *image, const struct load *load,
		     unsigned max, unsigned nr_places, struct why *why);

/* All children must have ended.  One that was never opened, all zeros, is
 * allowed. */
void serve_image_close(struct serve_image *image);

/*
 * One of @nr @images by the name that a client gives it; "" is the only one.
 * NULL with words: there is none.
 */
struct serve_image *serve_image_find(struct serve_image *images, unsigned nr,
				     const char *name, struct why *why);
