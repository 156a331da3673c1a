/* SPDX-License-Identifier: MIT */
/*
 * load_serve.h - mitosis-load --serve: the socket, the images, and being ready
 */
#pragma once

#include "loader/load.h"

struct load_serve_options {
	const char *path; /* of the socket */
	char *const *dirs;
	unsigned nr_dirs;
	unsigned max;		   /* children at once */
	const char *pid_file;	   /* or NULL: where our own pid goes */
	struct load_options load;  /* of each image, but for dir and cookie */
	void (*ready)(void *data); /* clients can come */
	void *data;
};

/*
 * Serve until a signal ends it.  As for serve_run(), all signals are blocked.
 * Says what fails; 0 or -errno.
 */
int load_serve(const struct load_serve_options *options);
