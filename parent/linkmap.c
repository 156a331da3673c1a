/* SPDX-License-Identifier: MIT */
#include "parent/linkmap.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"

#define HEADERS_MAX 256u
#define ENTRIES_MAX 4096u /* of a dynamic section */
#define OBJECTS_MAX 16384u
#define NAME_CHUNK  256u

struct walk {
	const struct linkmap_memory *memory;
	struct image *image;
	uint64_t phdr, nr_phdrs, base; /* of auxv */
	uint64_t bias, interp, dynamic, dynamic_bytes;
};

static int peek(const struct walk *walk, uint64_t raddr, void *buf, size_t len)
{
	return walk->memory->read(walk->memory, raddr, buf, len);
}

/* A string at @raddr; no chunk of it crosses into a page that may not be. */
static int peek_string(const struct walk *walk, uint64_t raddr,
		       char ret_text[IMAGE_STRING_MAX + 1])
{
	size_t len = 0;

	while (len < IMAGE_STRING_MAX) {
		size_t now = NAME_CHUNK - (raddr + len) % NAME_CHUNK;
		const char *end;
		int rc;

		if (now > IMAGE_STRING_MAX - len)
			now = IMAGE_STRING_MAX - len;
		rc = peek(walk, raddr + len, ret_text + len, now);
		if (rc)
			return rc;
		end = memchr(ret_text + len, '\0', now);
		if (end)
			return 0;
		len += now;
	}
	return -ENAMETOOLONG;
}

/* ---- which file is meant ---- */

static bool same_file(const struct image_vma *a, const struct image_vma *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && !strcmp(a->name, b->name);
}

static int compare_raddr(const void *key, const void *element)
{
	uint64_t raddr = *(const uint64_t *)key;
	const struct image_mapped *mapped = element;

	return (raddr > mapped->raddr) - (raddr < mapped->raddr);
}

static const struct image_mapped *mapped_at(const struct image *image,
					    uint64_t raddr)
{
	return bsearch(&raddr, image->mapped, image->nr_mapped,
		       sizeof(*image->mapped), compare_raddr);
}

/* The file of the area at @raddr; its first area is a few before that. */
static const struct image_mapped *find(const struct image *image,
				       uint64_t raddr)
{
	const struct image_vma *there = image_vma_at(image, raddr),
			       *vma = there;

	if (!there || !there->inode)
		return NULL;
	for (int back = 0; back < 32 && vma >= image->vmas; back++, vma--) {
		const struct image_mapped *mapped =
			same_file(there, vma) ? mapped_at(image, vma->start)
					      : NULL;

		if (mapped)
			return mapped;
	}
	return NULL;
}

/* "/opt/app/bin/../lib//x.so" is "/opt/app/lib/x.so". */
static void tidy(char *path)
{
	char *to = path;
	const char *from = path;

	while (*from) {
		size_t len = strcspn(++from, "/");

		if (len == 2 && from[0] == '.' && from[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (len && !(len == 1 && from[0] == '.')) {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = '\0';
}

static int add_alias(struct walk *walk, const struct image_mapped *mapped,
		     char *path)
{
	struct image *image = walk->image;
	struct image_alias *aliases;
	char *copy;

	if (!mapped || path[0] != '/' || image->nr_aliases == IMAGE_ALIASES_MAX)
		return 0;
	tidy(path);
	if (!image_path_ok(path) || !strcmp(path, mapped->path))
		return 0;
	aliases = reallocarray(image->aliases, image->nr_aliases + 1u,
			       sizeof(*aliases));
	if (aliases)
		image->aliases = aliases;
	copy = strdup(path);
	if (!aliases || !copy) {
		free(copy);
		return -ENOMEM;
	}
	aliases[image->nr_aliases++] = (struct image_alias){
		.mapped = (uint32_t)(mapped - image->mapped),
		.path = copy,
	};
	return 0;
}

/* ---- the way there ---- */

static void take_auxv(struct walk *walk)
{
	const struct image_text *text = image_text(walk->image, "auxv");
	Elf64_auxv_t entry;

	for (size_t at = 0;
	     text && at + sizeof(entry) <= text->len_bytes &&
	     (memcpy(&entry, text->bytes + at, sizeof(entry)), entry.a_type);
	     at += sizeof(entry)) {
		if (entry.a_type == AT_PHDR)
			walk->phdr = entry.a_un.a_val;
		else if (entry.a_type == AT_PHNUM)
			walk->nr_phdrs = entry.a_un.a_val;
		else if (entry.a_type == AT_BASE)
			walk->base = entry.a_un.a_val;
	}
}

/* Addresses in headers count from where the file was loaded. */
static int take_headers(struct walk *walk)
{
	for (uint64_t i = 0; i < walk->nr_phdrs && i < HEADERS_MAX; i++) {
		uint64_t at = walk->phdr + i * sizeof(Elf64_Phdr);
		Elf64_Phdr header;
		int rc = peek(walk, at, &header, sizeof(header));

		if (rc)
			return rc;
		if (header.p_type == PT_PHDR)
			walk->bias = walk->phdr - header.p_vaddr;
		else if (header.p_type == PT_INTERP)
			walk->interp = header.p_vaddr;
		else if (header.p_type == PT_DYNAMIC) {
			walk->dynamic = header.p_vaddr;
			walk->dynamic_bytes = header.p_memsz;
		}
	}
	return 0;
}

static int find_debug(const struct walk *walk, uint64_t *ret_raddr)
{
	uint64_t nr = walk->dynamic_bytes / sizeof(Elf64_Dyn);

	for (uint64_t i = 0; i < nr && i < ENTRIES_MAX; i++) {
		uint64_t at =
			walk->bias + walk->dynamic + i * sizeof(Elf64_Dyn);
		Elf64_Dyn entry;
		int rc = peek(walk, at, &entry, sizeof(entry));

		if (rc)
			return rc;
		if (entry.d_tag == DT_DEBUG && entry.d_un.d_ptr) {
			*ret_raddr = entry.d_un.d_ptr;
			return 0;
		}
		if (entry.d_tag == DT_NULL)
			break;
	}
	return -ENOENT;
}

static int take_interpreter(struct walk *walk)
{
	char path[IMAGE_STRING_MAX + 1];

	if (!walk->interp || !walk->base ||
	    peek_string(walk, walk->bias + walk->interp, path))
		return 0;
	return add_alias(walk, find(walk->image, walk->base), path);
}

/* The list may be in the middle of a change, or a lie: it ends somewhere. */
static int take_objects(struct walk *walk, uint64_t raddr)
{
	char path[IMAGE_STRING_MAX + 1];
	struct link_map object;
	int rc = 0;

	for (uint32_t i = 0; !rc && raddr && i < OBJECTS_MAX; i++) {
		if (peek(walk, raddr, &object,
			 offsetof(struct link_map, l_prev)))
			return 0;
		if (!peek_string(walk, (uint64_t)(uintptr_t)object.l_name,
				 path))
			rc = add_alias(walk,
				       find(walk->image,
					    (uint64_t)(uintptr_t)object.l_ld),
				       path);
		raddr = (uint64_t)(uintptr_t)object.l_next;
	}
	return rc;
}

int linkmap_read(const struct linkmap_memory *memory, struct image *image)
{
	struct walk walk = {.memory = memory, .image = image};
	uint64_t debug = 0;
	struct r_debug root;
	int rc;

	take_auxv(&walk);
	if (take_headers(&walk))
		return 0;
	rc = take_interpreter(&walk);
	if (rc || find_debug(&walk, &debug) ||
	    peek(&walk, debug, &root, sizeof(root)))
		return rc;
	return take_objects(&walk, (uint64_t)(uintptr_t)root.r_map);
}

/* ---- of a twin ---- */

struct twin_memory {
	struct linkmap_memory memory;
	int fd;
};

static int read_twin(const struct linkmap_memory *memory, uint64_t raddr,
		     void *buf, size_t len_bytes)
{
	const struct twin_memory *twin = (const struct twin_memory *)memory;

	return io_pread_all(twin->fd, buf, len_bytes, raddr);
}

int linkmap_read_twin(pid_t twin, struct image *image)
{
	struct twin_memory memory = {.memory = {read_twin}};
	char path[32];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", twin);
	memory.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (memory.fd < 0)
		return 0;
	rc = linkmap_read(&memory.memory, image);
	(void)close(memory.fd);
	return rc;
}
