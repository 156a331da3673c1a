/* SPDX-License-Identifier: MIT */
#include "parent/areas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "parent/vmakind.h"
#include "parent/vmas.h"

#define MAPS_BYTES_MAX (256ul << 20)

/* From linux/fs.h of Linux 6.11: Debian's headers are older. */
#define QUERY_WRITABLE	       (1u << 1)
#define QUERY_EXECUTABLE       (1u << 2)
#define QUERY_READABLE	       (1u << 0)
#define QUERY_SHARED	       (1u << 3)
#define QUERY_COVERING_OR_NEXT (1u << 4)

struct query {
	uint64_t size, flags, addr;
	uint64_t start, end, vma_flags, vma_page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_bytes, build_id_bytes;
	uint64_t name_addr, build_id_addr;
};

#define QUERY_IOCTL _IOWR('f', 17, struct query)

struct areas {
	struct image_vma *vmas;
	uint32_t nr;
};

static void cleanup_areas(struct areas *areas)
{
	vmas_free(areas->vmas, areas->nr);
}

int areas_open(pid_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

/* Takes @vma with its name, or frees the name. */
static int add_area(struct areas *areas, struct image_vma *vma)
{
	struct image_vma *grown;

	vma->kind = vmakind_of(vma, 0);
	if (vma->kind != IMAGE_VMA_SHARED) {
		free(vma->name);
		return 0;
	}
	grown = realloc(areas->vmas, (areas->nr + 1) * sizeof(*grown));
	if (!grown) {
		free(vma->name);
		return -ENOMEM;
	}
	areas->vmas = grown;
	areas->vmas[areas->nr++] = *vma;
	return 0;
}

static struct image_vma vma_of(const struct query *query)
{
	const uint64_t bits = query->vma_flags;

	return (struct image_vma){
		.start = query->start,
		.end = query->end,
		.offset_bytes = query->offset,
		.prot = (bits & QUERY_READABLE ? PROT_READ : 0) |
			(bits & QUERY_WRITABLE ? PROT_WRITE : 0) |
			(bits & QUERY_EXECUTABLE ? PROT_EXEC : 0),
		.flags = bits & QUERY_SHARED ? IMAGE_VMA_SHARED_MAP : 0,
		.dev_major = query->dev_major,
		.dev_minor = query->dev_minor,
		.inode = query->inode,
	};
}

int areas_at(int maps_fd, uint64_t raddr, struct image_vma *ret_area)
{
	struct query query = {.size = sizeof(query), .addr = raddr};

	if (ioctl(maps_fd, QUERY_IOCTL, &query))
		return -errno;
	*ret_area = vma_of(&query);
	return 0;
}

static int add_answer(struct areas *areas, const struct query *query,
		      const char *name)
{
	struct image_vma vma = vma_of(query);

	vma.flags |= IMAGE_VMA_SHARED_MAP;
	vma.name = strdup(name);
	if (!vma.name)
		return -ENOMEM;
	if (query->vma_page_size > PAGE_BYTES)
		vma.flags |= IMAGE_VMA_HUGETLB;
	return add_area(areas, &vma);
}

/* -ENOTTY when the kernel is too old. */
static int query_all(int maps_fd, struct areas *areas)
{
	uint64_t addr = 0;

	for (;;) {
		char name[IMAGE_STRING_MAX + 1] = "";
		struct query query = {
			.size = sizeof(query),
			.flags = QUERY_SHARED | QUERY_COVERING_OR_NEXT,
			.addr = addr,
			.name_bytes = sizeof(name),
			.name_addr = (uintptr_t)name,
		};
		int rc;

		if (ioctl(maps_fd, QUERY_IOCTL, &query))
			return errno == ENOENT ? 0 : -errno;
		rc = add_answer(areas, &query, name);
		if (rc)
			return rc;
		addr = query.end;
	}
}

int areas_list(int maps_fd, struct image_vma **ret_areas, uint32_t *ret_nr)
{
	CLEANUP(cleanup_areas) struct areas areas = {0};
	int rc = query_all(maps_fd, &areas);

	if (rc == -ENOTTY)
		return areas_list_slowly(maps_fd, ret_areas, ret_nr);
	if (rc)
		return rc;
	*ret_areas = areas.vmas;
	*ret_nr = areas.nr;
	areas = (struct areas){0};
	return 0;
}

/* The descriptor of maps, opened again by its number: from its beginning. */
static int slurp_maps(int maps_fd, char **ret_text, size_t *ret_len)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", maps_fd);
	return io_slurp_at(AT_FDCWD, path, MAPS_BYTES_MAX, ret_text, ret_len);
}

int areas_list_slowly(int maps_fd, struct image_vma **ret_areas,
		      uint32_t *ret_nr)
{
	CLEANUP(cleanup_areas) struct areas all = {0};
	CLEANUP(cleanup_areas) struct areas areas = {0};
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int rc = slurp_maps(maps_fd, &text, &len);

	/* Without VmFlags nothing but a name can make it refuse. */
	if (!rc)
		rc = vmas_parse(text, len, &all.vmas, &all.nr, NULL);
	for (uint32_t i = 0; !rc && i < all.nr; i++) {
		struct image_vma vma = all.vmas[i];

		all.vmas[i].name = NULL;
		rc = add_area(&areas, &vma);
	}
	if (rc)
		return rc;
	*ret_areas = areas.vmas;
	*ret_nr = areas.nr;
	areas = (struct areas){0};
	return 0;
}
