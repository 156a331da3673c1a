/* SPDX-License-Identifier: MIT */
#include "fs/nodes.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/arena.h"

/* What a node and its name take, for a first guess. */
#define NODE_BYTES (sizeof(struct tree_node) + 48)

struct nodes {
	struct arena *arena;		   /* nodes and names */
	struct tree_node **list;	   /* inode number - 1 */
	const struct tree_node **children; /* of all directories, in a row */
	size_t nr, room;
	int failed;
	struct tree_node nowhere; /* stands in for a node without memory */
	pthread_mutex_t making;	  /* of what nodes_make() sets */
};

struct nodes *nodes_new(size_t expect)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));

	if (!nodes)
		return NULL;
	nodes->arena = arena_new((expect + 1) * NODE_BYTES);
	if (!nodes->arena) {
		free(nodes);
		return NULL;
	}
	(void)pthread_mutex_init(&nodes->making, NULL);
	return nodes;
}

static int has_room(struct nodes *nodes)
{
	size_t room = nodes->room ? 2 * nodes->room : 64;
	struct tree_node **more;

	if (nodes->nr < nodes->room)
		return 1;
	more = reallocarray(nodes->list, room, sizeof(*more));
	if (!more)
		return 0;
	nodes->list = more;
	nodes->room = room;
	return 1;
}

static uint32_t mode_of(enum tree_kind kind)
{
	switch (kind) {
	case TREE_DIR:
		return S_IFDIR | 0500;
	case TREE_LINK:
		return S_IFLNK | 0777;
	case TREE_BYTES:
	case TREE_AREA:
	case TREE_CORE:
	case TREE_FILE:
	case TREE_MEM:
	case TREE_LIVE:
		break;
	}
	return S_IFREG | 0400;
}

struct tree_node *nodes_add(struct nodes *nodes, const struct tree_node *dir,
			    const char *name, enum tree_kind kind)
{
	struct tree_node *node = NULL;

	if (name && has_room(nodes))
		node = arena_alloc(&nodes->arena, sizeof(*node));
	if (!node) {
		nodes->failed = 1;
		node = &nodes->nowhere;
	} else {
		nodes->list[nodes->nr++] = node;
	}
	*node = (struct tree_node){
		.ino = nodes->nr,
		.parent_ino = dir ? dir->ino : 1,
		.name = name,
		.kind = kind,
		.mode = mode_of(kind),
	};
	return node;
}

struct tree_node *nodes_add_bytes(struct nodes *nodes,
				  const struct tree_node *dir, const char *name,
				  const void *bytes, size_t len)
{
	struct tree_node *node = nodes_add(nodes, dir, name, TREE_BYTES);

	node->bytes = bytes;
	node->size_bytes = len;
	return node;
}

void nodes_add_link(struct nodes *nodes, const struct tree_node *dir,
		    const char *name, const char *target)
{
	struct tree_node *node = nodes_add(nodes, dir, name, TREE_LINK);

	node->bytes = target;
	node->size_bytes = target ? strlen(target) : 0;
	nodes->failed |= !target;
}

/* A copy of @len bytes and a NUL, or NULL. */
static const char *keep(struct nodes *nodes, const char *bytes, size_t len)
{
	char *copy = arena_alloc(&nodes->arena, len + 1);

	if (copy)
		memcpy(copy, bytes, len);
	else
		nodes->failed = 1;
	return copy;
}

const char *nodes_printf(struct nodes *nodes, const char *format, ...)
{
	char text[IMAGE_STRING_MAX + 64];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return keep(nodes, text, strlen(text));
}

void nodes_add_text(struct nodes *nodes, const struct tree_node *dir,
		    const char *name, char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (text)
		(void)nodes_add_bytes(nodes, dir, name, keep(nodes, text, len),
				      len);
	else
		nodes->failed = 1;
	free(text);
}

void nodes_add_made(struct nodes *nodes, const struct tree_node *dir,
		    const char *name, char *(*make)(const struct image *image))
{
	nodes_add(nodes, dir, name, TREE_BYTES)->make = make;
}

/* The lock is held. */
static int make(struct tree_node *node, const struct image *image)
{
	char *text = node->bytes ? NULL : node->make(image);

	if (node->bytes)
		return 0;
	if (!text)
		return -ENOMEM;
	node->bytes = text;
	node->size_bytes = strlen(text);
	return 0;
}

int nodes_make(struct nodes *nodes, const struct tree_node *node,
	       const struct image *image)
{
	int r;

	if (!node->make)
		return 0;
	(void)pthread_mutex_lock(&nodes->making);
	r = make(nodes->list[node->ino - 1], image);
	(void)pthread_mutex_unlock(&nodes->making);
	return r;
}

/* By directory, then by name, then as they were added. */
static int compare(const void *a, const void *b)
{
	const struct tree_node *x = *(const struct tree_node *const *)a;
	const struct tree_node *y = *(const struct tree_node *const *)b;
	int order;

	if (x->parent_ino != y->parent_ino)
		return x->parent_ino < y->parent_ino ? -1 : 1;
	order = strcmp(x->name, y->name);
	return order ? order : (x->ino > y->ino) - (x->ino < y->ino);
}

static int is_second(const struct tree_node *dir, const char *name)
{
	return dir->nr_children &&
	       !strcmp(dir->children[dir->nr_children - 1]->name, name);
}

int nodes_link(struct nodes *nodes)
{
	const struct tree_node **sorted;
	size_t nr = 0;

	if (nodes->failed || !nodes->nr)
		return -ENOMEM;
	sorted = calloc(nodes->nr, sizeof(sorted[0]));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 1; i < nodes->nr; i++)
		if (!nodes->list[i]->is_hidden)
			sorted[nr++] = nodes->list[i];
	qsort(sorted, nr, sizeof(sorted[0]), compare);
	for (size_t i = 0; i < nr; i++) {
		struct tree_node *dir = nodes->list[sorted[i]->parent_ino - 1];

		if (is_second(dir, sorted[i]->name))
			continue;
		if (!dir->nr_children)
			dir->children = &sorted[i];
		dir->children[dir->nr_children++] = sorted[i];
	}
	nodes->children = sorted;
	return 0;
}

const struct tree_node *nodes_get(const struct nodes *nodes, uint64_t ino)
{
	return ino < 1 || ino > nodes->nr ? NULL : nodes->list[ino - 1];
}

const struct tree_node *nodes_find(const struct tree_node *dir,
				   const char *name)
{
	uint32_t low = 0, high = dir->nr_children;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(name, dir->children[middle]->name);

		if (order == 0)
			return dir->children[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void nodes_free(struct nodes *nodes)
{
	if (!nodes)
		return;
	for (size_t i = 0; i < nodes->nr; i++)
		if (nodes->list[i]->make)
			free((void *)(uintptr_t)nodes->list[i]->bytes);
	(void)pthread_mutex_destroy(&nodes->making);
	free(nodes->children);
	free(nodes->list);
	arena_free(nodes->arena);
	free(nodes);
}
