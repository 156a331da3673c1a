/* SPDX-License-Identifier: MIT */
/*
 * registry.h - images by name: whose they are, how long, and who may read them
 *
 * Step 2 of the way of a page.  Above: parent/daemon.c.  What holds the pages
 * (parent/keeper.c, or an array in the tests) is known here as a page source
 * and a function that ends it.
 *
 *     claim --> preparing --publish--> ready --+
 *                   |                          | release, lease over,
 *                   +--------------------------+ twin dead, shutdown
 *                                              v
 *                          gone: no name, no pages; freed with its last handle
 *
 * **Who may read is decided here and nowhere else**: who shows the image's key,
 * its owner, and root.  docs/security.md has the table.
 *
 * Threads: one thread makes every call.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/source.h"
#include "common/wire.h"
#include "common/workset.h"
#include "parent/lineage.h"
#include "parent/peer.h"
#include "parent/refusal.h"

#define REGISTRY_COMM_BYTES 16

enum registry_state {
	REGISTRY_PREPARING = 1,
	REGISTRY_READY,
	REGISTRY_GONE,
};

struct registry;

struct registry_options {
	unsigned images_max;  /* 1 to 65536; a user has half of them at most */
	uint32_t lease_s;     /* when a claim names none */
	uint32_t lease_max_s; /* longer ones are cut to this */
	uint32_t prepare_max_s; /* preparing for longer than this has failed */
};

extern const struct registry_options registry_defaults;

/* What is in a ready image. */
struct registry_content {
	struct page_source *source; /* good until end() */
	struct exports *exports;    /* good until end(); NULL: none */
	const void *desc;	    /* copied */
	size_t desc_bytes;
	char comm[REGISTRY_COMM_BYTES + 1];
	uint64_t pause_ns, prepare_ns, present_bytes;
	uint64_t lineage; /* lineage_of() */
};

/* Read-only for everybody but registry.c. */
struct registry_image {
	struct registry *registry;
	struct registry_image *next;
	enum registry_state state;
	unsigned refs; /* one of the registry's while it has a name */
	char name[PARSE_NAME_MAX + 1];
	uint8_t key[WIRE_KEY_BYTES];
	uint8_t id[WIRE_KEY_BYTES]; /* zeros unless ready */
	pid_t pid;
	uid_t owner;
	uint32_t lease_s;
	uint64_t claimed_ns, deadline_ns;
	uint64_t opens;
	struct registry_content content; /* source NULL unless ready */
	struct registry_desc *desc;
	struct workset workset; /* of its first child, or empty */
	void (*end)(void *arg);
	void *end_arg;
};

/* The descriptor's bytes, kept while somebody sends them. */
struct registry_desc {
	unsigned refs;
	size_t len_bytes;
	uint8_t bytes[];
};

/* Returns 0, -EINVAL for options out of range, or -ENOMEM. */
int registry_new(const struct registry_options *options,
		 struct registry **ret_registry);

/* End every image, then free.  Handles must be put before.  NULL is allowed. */
void registry_free(struct registry *registry);

struct registry_claim {
	const char *name; /* legal, or "": img-PID-N */
	pid_t pid;
	uint32_t lease_s; /* 0: the default */
	const struct peer *owner;
	/* Called once, when the image goes: let the pages go, tell who waits.
	 * It must not call back into the registry. */
	void (*end)(void *arg);
	void *end_arg;
};

/*
 * Take a name for an image that is being prepared.  On success the image lives
 * at least until end() was called; the caller holds no reference.
 *
 * Returns 0, or with words
 *   -EACCES  the peer is unknown
 *   -EEXIST  the name is taken
 *   -ENOSPC  no more images, of all or of this user
 *   -EIO     the kernel gave no random key
 *   -ENOMEM
 */
int registry_claim(struct registry *registry,
		   const struct registry_claim *claim,
		   struct registry_image **ret_image, struct refusal *ret_why);

/* The image is ready, and its lease begins.  0 or -ENOMEM (still preparing). */
int registry_publish(struct registry_image *image,
		     const struct registry_content *content);

/* End an image, in whatever state. */
void registry_end(struct registry_image *image);

struct registry_ask {
	const struct wire_image *wanted;
	const struct peer *peer;
	int ready; /* an image in preparation will not do: OPEN */
};

/*
 * The image that is wanted, if the peer may have it.  Counts as use: the lease
 * begins anew.
 *
 * Returns 0, or with words
 *   -ENOENT  no such image
 *   -EACCES  neither the key nor the peer's identity allows it
 *   -ESTALE  the key or the id is of an earlier image of that name
 *   -EAGAIN  it is still being prepared, and that will not do
 */
int registry_find(struct registry *registry, const struct registry_ask *ask,
		  struct registry_image **ret_image, struct refusal *ret_why);

/* 1 when @peer may have @image by its identity alone: to list it. */
int registry_is_for(const struct registry_image *image,
		    const struct peer *peer);

/* A handle's reference: keeps the struct, never the pages. */
struct registry_image *registry_get(struct registry_image *image);
void registry_put(struct registry_image *image);

/* A reference to the descriptor of a ready image. */
struct registry_desc *registry_desc_get(struct registry_image *image);
void registry_desc_put(struct registry_desc *desc);

/*
 * Append a part to the working set of @image: 0, -EEXIST when what came before
 * it is not there (somebody else has recorded), -ENOSPC, or -ENOMEM.
 */
int registry_record(struct registry_image *image,
		    const struct workset_part *part);

/*
 * What the first child of @image looked at or, while none has left that, the
 * first one of the last image of its lineage and owner (is_inherited).  Empty
 * when neither is known.  The registry's, and good until the next call.
 */
struct workset registry_workset(struct registry_image *image);

/* End what is past its lease.  Returns the next deadline, 0 for none. */
uint64_t registry_expire(struct registry *registry, uint64_t now_ns);

/* How many ready images registry_expire() ended, ever. */
uint64_t registry_expired(const struct registry *registry);

/* The images in no order: the first (NULL: none), then image->next. */
struct registry_image *registry_first(struct registry *registry);
unsigned registry_count(const struct registry *registry);
