/* SPDX-License-Identifier: MIT */
/*
 * serve.h - a resident loader: images opened once, children for who asks
 *
 * What load_open() and jump_prepare() do is done ahead, once for each image,
 * and so are the worlds (loader/worlds.h): a child costs neither an exec nor a
 * look at the image.  Clients speak loader/ask.h.  A child ends with its
 * client, unless that detached it, and all end with the server, as children of
 * mitosis-load do with that.
 *
 * One process, one thread, one poll loop.
 */
#pragma once

#include "loader/load.h"
#include "loader/why.h"

#define SERVE_IMAGES_MAX 64u

struct serve_options {
	int listener; /* SOCK_SEQPACKET, listening, non-blocking; borrowed */
	unsigned max; /* children at once, of all images */
	const struct load *const *loads;
	unsigned nr_loads;
	void (*ready)(void *data); /* clients can come */
	void *data;
};

/*
 * Prepare @load for children while the images that were opened before are
 * prepared already.  0, or -errno with words; @ret_slow says why its children
 * have to map their memory themselves, or is empty.
 */
int serve_prepare(struct load *load, struct why *ret_slow, struct why *why);

/*
 * Serve until SIGTERM, SIGINT, SIGHUP or SIGQUIT comes; then all children end,
 * and have ended.
 *
 * Must be called with all signals blocked, descriptors 0 to 2 open, and no
 * other children.  0, or -errno with words.
 */
int serve_run(const struct serve_options *options, struct why *why);
