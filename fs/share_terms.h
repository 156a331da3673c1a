/* SPDX-License-Identifier: MIT */
/*
 * share_terms.h - which mounts may share one server: pure
 *
 * Two mounts of one image share what answers them and the kernel's page cache,
 * when they want the same.  The terms are what both must say alike: which image
 * it is, and every option that shows in the mount or in how its pages come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"
#include "fs/options.h"

enum share_term {
	SHARE_VERSION, /* of the program */
	SHARE_SOURCE,
	SHARE_PORT,
	SHARE_SOCKET,
	SHARE_MOUNTER, /* who may look is bound to who mounted */
	SHARE_ALLOW_OTHER,
	SHARE_UID,
	SHARE_GID,
	SHARE_HARD,
	SHARE_TIMEO,
	SHARE_RETRANS,
	SHARE_MODE,
	SHARE_EAGER,
	SHARE_PREFETCH,
	SHARE_PREFETCH_PAGES,
	SHARE_TRACE, /* prefetch=trace: whether there is one by now */
	SHARE_READAHEAD,
	SHARE_CACHE,
	SHARE_WARM,
	SHARE_CACHE_SIZE,
	SHARE_STASH,
	SHARE_CACHE_TTL,
	SHARE_THREADS,
	SHARE_AWAKE,
	SHARE_FUSE,
	SHARE_PROTO,
	SHARE_RDMA_DEV,
	SHARE_SEC,
	SHARE_MUNGE_SOCKET,
	SHARE_PSK_FILE,
	SHARE_PSK_USER,
	SHARE_PROFILE,
	SHARE_DEBUG,
	SHARE_NR_TERMS,
};

#define SHARE_IMAGE_WORDS 4

struct share_terms {
	/* Differs for each image ever taken: when, and all but its pages. */
	uint64_t image[SHARE_IMAGE_WORDS];
	uint64_t values[SHARE_NR_TERMS]; /* numbers, or digests of words */
};

/* An image that is open; all borrowed. */
struct share_image {
	const struct image *image;
	const void *desc;
	size_t desc_bytes;
	bool has_trace; /* a working set that is replayed */
};

/* What @options and an image say.  Knows who mounts: the caller. */
void share_terms_of(const struct options *options,
		    const struct share_image *open,
		    struct share_terms *ret_terms);

/*
 * Why mounts that say this have a server of their own, whatever others say;
 * NULL when they may share one.
 */
const char *share_forbidden(const struct options *options);

/* The first term in which they differ, SHARE_NR_TERMS for none. */
enum share_term share_differ(const struct share_terms *a,
			     const struct share_terms *b);

/* Its name as an option: "readahead". */
const char *share_term_name(enum share_term term);

#define SHARE_NAME_MAX	 33u /* of a server's socket */
#define SHARE_PREFIX_LEN 17u /* of that, the part that is the image's */

/* The name of the socket for @terms: 16 digits of the image, a dash, 16. */
void share_name(const struct share_terms *terms, char name[SHARE_NAME_MAX + 1]);
