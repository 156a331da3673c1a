/* SPDX-License-Identifier: MIT */
/*
 * nodes.h - a tree of inodes: filled once, read-only after but for nodes_make()
 *
 * Above: fs/tree.c, which knows what is in the mount.  Knows nothing of images.
 *
 * While it is being filled nothing fails: without memory a node goes nowhere,
 * and nodes_link() says so at the end.
 *
 * Threads: one until nodes_link() has returned, then any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

enum tree_kind {
	TREE_DIR,
	TREE_BYTES, /* bytes known now, or by nodes_make() */
	TREE_LINK,  /* a symbolic link to bytes */
	TREE_AREA,  /* pages from node->raddr on */
	TREE_CORE,  /* what core_piece_at() says */
	TREE_FILE,  /* a file of the parent's host: node->object */
	TREE_MEM,   /* offset = address; no size, as /proc/PID/mem */
	TREE_LIVE,  /* made when opened; size unknown */
};

/* What a TREE_LIVE tells. */
enum tree_live {
	TREE_LIVE_STATUS,
	TREE_LIVE_STATUS_JSON,
	TREE_LIVE_METRICS,
	TREE_LIVE_FAULTS,
};

struct tree_node {
	uint64_t ino, parent_ino;
	const char *name;
	enum tree_kind kind;
	uint32_t mode; /* with S_IFMT */
	int is_hidden; /* in no directory: whoever made it finds it */
	uint64_t size_bytes;
	uint32_t object;	/* TREE_FILE: as common/source.h counts them */
	uint64_t mtime_ns;	/* of TREE_FILE; 0: the time of the capture */
	uint64_t raddr;		/* TREE_AREA: of its first byte */
	uint64_t present_pages; /* TREE_AREA, TREE_CORE */
	const struct image_vma *vma; /* of a file in vma/, else NULL */
	enum tree_live live;	     /* TREE_LIVE */
	const void *bytes;	     /* TREE_BYTES, TREE_LINK */
	/* TREE_BYTES: they are not known yet.  NULL: they are. */
	char *(*make)(const struct image *image);
	/* TREE_DIR: its children, sorted by name */
	const struct tree_node **children;
	uint32_t nr_children;
};

struct nodes;

/* With room for about @expect nodes, or NULL without memory. */
struct nodes *nodes_new(size_t expect);

/*
 * A new node below @dir (NULL: the root, which comes first).  @name is borrowed
 * and must outlive the nodes; nodes_printf() makes such names.
 */
struct tree_node *nodes_add(struct nodes *nodes, const struct tree_node *dir,
			    const char *name, enum tree_kind kind);

/* A TREE_BYTES or TREE_LINK of @len bytes at @bytes, which are borrowed. */
struct tree_node *nodes_add_bytes(struct nodes *nodes,
				  const struct tree_node *dir, const char *name,
				  const void *bytes, size_t len);
void nodes_add_link(struct nodes *nodes, const struct tree_node *dir,
		    const char *name, const char *target);

/* The same of @text, which came from malloc() and is freed; NULL: no memory. */
void nodes_add_text(struct nodes *nodes, const struct tree_node *dir,
		    const char *name, char *text);

/* A TREE_BYTES whose text @make returns as malloc() does, when it is asked for.
 */
void nodes_add_made(struct nodes *nodes, const struct tree_node *dir,
		    const char *name, char *(*make)(const struct image *image));

/*
 * Have @node's bytes and size, if it is one of nodes_add_made(), made from
 * @image; to be called before either is looked at.  Returns 0 or -ENOMEM.
 */
int nodes_make(struct nodes *nodes, const struct tree_node *node,
	       const struct image *image);

/* A string that lives as long as the nodes, cut at 4 KiB; NULL: no memory. */
const char *nodes_printf(struct nodes *nodes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * End of filling: sort each directory.  Of two nodes with one name in one
 * directory the first stays.  Returns 0, or -ENOMEM when any call failed.
 */
int nodes_link(struct nodes *nodes);

/* The node @ino, or NULL. */
const struct tree_node *nodes_get(const struct nodes *nodes, uint64_t ino);

/* The child @name of @dir, or NULL.  O(log n). */
const struct tree_node *nodes_find(const struct tree_node *dir,
				   const char *name);

/* NULL is allowed. */
void nodes_free(struct nodes *nodes);
