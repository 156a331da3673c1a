/* SPDX-License-Identifier: MIT */
#include "loader/guard_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/image.h"

/* linux/fs.h of Linux 6.11, which the build host's headers may predate. */
struct procmap_query {
	uint64_t size_bytes, flags, addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_bytes;
	uint64_t vma_offset, inode;
	uint32_t dev_major, dev_minor, name_bytes, build_id_bytes;
	uint64_t name_addr, build_id_addr;
};

#define PROCMAP_QUERY_	       _IOWR('f', 17, struct procmap_query)
#define QUERY_R		       0x01u
#define QUERY_W		       0x02u
#define QUERY_X		       0x04u
#define QUERY_SHARED	       0x08u
#define QUERY_COVERING_OR_NEXT 0x10u

#define PIECES_MAX (1u << 22) /* far above any max_map_count in use */

void guard_map_clear(struct guard_map *map)
{
	free(map->pieces);
	memset(map, 0, sizeof(*map));
}

bool guard_map_is_written(const struct guard_map_piece *piece)
{
	return piece->kind == GUARD_MAP_IMAGE && (piece->prot & PROT_WRITE);
}

static int add(struct guard_map *map, const struct guard_map_piece *piece)
{
	if (piece->start >= piece->end)
		return 0;
	if (map->nr == map->max) {
		unsigned max = map->max ? 2 * map->max : 8;
		void *bigger;

		if (max > PIECES_MAX)
			return -ENOMEM;
		bigger = realloc(map->pieces, max * sizeof(*map->pieces));
		if (!bigger)
			return -ENOMEM;
		map->pieces = bigger;
		map->max = max;
	}
	map->pieces[map->nr++] = *piece;
	map->nr_ours += piece->kind == GUARD_MAP_OURS;
	map->nr_written += guard_map_is_written(piece);
	return 0;
}

/* The first window of @inode that ends after @offset, or the next inode's. */
static unsigned window_after(const struct guard_options *options,
			     uint64_t inode, uint64_t offset_bytes)
{
	unsigned low = 0, high = options->nr_windows;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct guard_window *w = &options->windows[middle];

		if (w->inode < inode ||
		    (w->inode == inode && w->end_bytes <= offset_bytes))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Cut @whole, a part of @vma, where windows begin and end. */
static int add_windowed(struct guard_map *map,
			const struct guard_options *options,
			const struct guard_map_vma *vma,
			const struct guard_map_piece *whole)
{
	uint64_t shift = vma->offset_bytes - vma->start; /* modulo 2^64 */
	uint64_t at = whole->start;
	unsigned i = window_after(options, vma->inode, at + shift);

	while (at < whole->end) {
		const struct guard_window *w = &options->windows[i];
		struct guard_map_piece piece = *whole;
		int r;

		piece.start = at;
		if (i == options->nr_windows || w->inode != vma->inode ||
		    w->start_bytes >= whole->end + shift) {
			return add(map, &piece);
		}
		if (w->start_bytes > at + shift) {
			piece.end = w->start_bytes - shift;
		} else {
			if (w->end_bytes < whole->end + shift)
				piece.end = w->end_bytes - shift;
			piece.kind =
				w->is_file ? GUARD_MAP_IMAGE : GUARD_MAP_OURS;
			piece.vma_flags = w->vma_flags;
			piece.inode = vma->inode;
			piece.offset_bytes = at + shift;
			i++;
		}
		r = add(map, &piece);
		if (r)
			return r;
		at = piece.end;
	}
	return 0;
}

static int add_vma(struct guard_map *map, const struct guard_options *options,
		   const struct guard_map_vma *vma, uint64_t start,
		   uint64_t end)
{
	struct guard_map_piece piece = {
		.start = vma->start > start ? vma->start : start,
		.end = vma->end < end ? vma->end : end,
		.prot = vma->prot,
		.kind = GUARD_MAP_FILE,
	};

	if (vma->shared)
		piece.kind = GUARD_MAP_SHARED;
	else if (!vma->inode && !vma->dev)
		piece.kind = GUARD_MAP_ANON;
	else if (vma->dev == options->dev)
		return add_windowed(map, options, vma, &piece);
	return add(map, &piece);
}

/* 1: @ret_vma is the VMA at or after @addr; 0: none; -ENOTTY: too old. */
static int query(int fd, uint64_t addr, struct guard_map_vma *ret_vma)
{
	struct procmap_query q = {
		.size_bytes = sizeof(q),
		.flags = QUERY_COVERING_OR_NEXT,
		.addr = addr,
	};

	if (ioctl(fd, PROCMAP_QUERY_, &q))
		return errno == ENOENT ? 0 : -errno;
	*ret_vma = (struct guard_map_vma){
		.start = q.vma_start,
		.end = q.vma_end,
		.offset_bytes = q.vma_offset,
		.inode = q.inode,
		.dev = makedev(q.dev_major, q.dev_minor),
		.prot = (q.vma_flags & QUERY_R ? PROT_READ : 0) |
			(q.vma_flags & QUERY_W ? PROT_WRITE : 0) |
			(q.vma_flags & QUERY_X ? PROT_EXEC : 0),
		.shared = q.vma_flags & QUERY_SHARED,
	};
	return 1;
}

static int read_queries(int fd, uint64_t start, uint64_t end,
			const struct guard_options *options,
			struct guard_map *map)
{
	struct guard_map_vma vma = {.end = start};

	while (vma.end < end) {
		int r = query(fd, vma.end, &vma);

		if (r <= 0)
			return r;
		if (vma.start >= end)
			return 0;
		r = add_vma(map, options, &vma, start, end);
		if (r)
			return r;
	}
	return 0;
}

int guard_map_read(pid_t tid, uint64_t start, uint64_t end,
		   const struct guard_options *options, struct guard_map *ret)
{
	struct guard_map map = {0};
	char path[32];
	int fd CLEANUP_CLOSE = -1;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = read_queries(fd, start, end, options, &map);
	if (r == -ENOTTY)
		return guard_map_read_text(tid, start, end, options, ret);
	if (r) {
		guard_map_clear(&map);
		return r;
	}
	*ret = map;
	return 0;
}

int guard_map_read_text(pid_t tid, uint64_t start, uint64_t end,
			const struct guard_options *options,
			struct guard_map *ret)
{
	struct guard_map map = {0};
	FILE *file CLEANUP_FCLOSE = NULL;
	char *line CLEANUP_FREE = NULL;
	char path[32];
	size_t room = 0;
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!r && getline(&line, &room, file) > 0) {
		struct guard_map_vma vma;

		r = guard_map_parse(line, &vma);
		if (!r && vma.start >= end)
			break;
		if (!r && vma.end > start)
			r = add_vma(&map, options, &vma, start, end);
	}
	if (!r && ferror(file))
		r = -EIO;
	if (r) {
		guard_map_clear(&map);
		return r;
	}
	*ret = map;
	return 0;
}

static bool any_kept_out(const struct guard_map *map)
{
	for (unsigned i = 0; i < map->nr; i++)
		if (map->pieces[i].vma_flags & IMAGE_VMA_DONTFORK)
			return true;
	return false;
}

static void let_in(struct guard_map *map, const struct guard_map_vma *vma)
{
	for (unsigned i = 0; i < map->nr; i++)
		if (map->pieces[i].start < vma->end &&
		    map->pieces[i].end > vma->start)
			map->pieces[i].vma_flags &=
				~(uint32_t)IMAGE_VMA_DONTFORK;
}

void guard_map_refine(pid_t tid, struct guard_map *map)
{
	FILE *file CLEANUP_FCLOSE = NULL;
	char *line CLEANUP_FREE = NULL;
	struct guard_map_vma vma = {0};
	char path[32];
	size_t room = 0;

	if (!any_kept_out(map))
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)tid);
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0) {
		if (!guard_map_parse(line, &vma) &&
		    vma.start >= map->pieces[map->nr - 1].end)
			return;
		if (!strncmp(line, "VmFlags:", 8) && !strstr(line, " dc"))
			let_in(map, &vma);
	}
}

/* A number at *@text that the character @until must follow; moves past it. */
static int number(const char **text, int base, char until, uint64_t *ret)
{
	const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";
	size_t len = strspn(*text, digits);
	char *end;

	if (!len || len > 20 || (*text)[len] != until)
		return -EPROTO;
	errno = 0;
	*ret = strtoull(*text, &end, base);
	if (errno || end != *text + len)
		return -EPROTO;
	*text = end + 1;
	return 0;
}

/* "rwxp " */
static int access_bits(const char **text, struct guard_map_vma *vma)
{
	static const char letters[] = "rwx";
	const char *t = *text;

	vma->prot = 0;
	for (unsigned i = 0; i < 3; i++) {
		if (t[i] == letters[i])
			vma->prot |= 1u << i; /* PROT_READ, _WRITE, _EXEC */
		else if (t[i] != '-')
			return -EPROTO;
	}
	if ((t[3] != 'p' && t[3] != 's') || t[4] != ' ')
		return -EPROTO;
	vma->shared = t[3] == 's';
	*text = t + 5;
	return 0;
}

int guard_map_parse(const char *line, struct guard_map_vma *ret_vma)
{
	struct guard_map_vma vma;
	uint64_t major, minor;
	const char *t = line;
	size_t digits;

	if (number(&t, 16, '-', &vma.start) || number(&t, 16, ' ', &vma.end) ||
	    access_bits(&t, &vma) || number(&t, 16, ' ', &vma.offset_bytes) ||
	    number(&t, 16, ':', &major) || number(&t, 16, ' ', &minor))
		return -EPROTO;
	digits = strspn(t, "0123456789");
	if (number(&t, 10, t[digits], &vma.inode))
		return -EPROTO;
	if (vma.start >= vma.end || major > UINT32_MAX || minor > UINT32_MAX)
		return -EPROTO;
	vma.dev = makedev((unsigned)major, (unsigned)minor);
	*ret_vma = vma;
	return 0;
}
