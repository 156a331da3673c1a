/* SPDX-License-Identifier: MIT */
#include "parent/vmas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "parent/text.h"
#include "parent/vmakind.h"

/* A million areas of some 25 lines each; a slurp beyond that is refused. */
#define SMAPS_BYTES_MAX (1ul << 30)

struct table {
	struct image_vma *vmas;
	uint32_t nr, cap;
};

static void cleanup_table(struct table *table)
{
	vmas_free(table->vmas, table->nr);
}

/* A zeroed row at the end of @table, or NULL. */
static struct image_vma *add_row(struct table *table)
{
	if (table->nr == table->cap) {
		uint32_t cap = table->cap ? table->cap * 2 : 128;
		struct image_vma *vmas =
			realloc(table->vmas, cap * sizeof(*vmas));

		if (!vmas)
			return NULL;
		table->vmas = vmas;
		table->cap = cap;
	}
	memset(&table->vmas[table->nr], 0, sizeof(*table->vmas));
	return &table->vmas[table->nr++];
}

/* "r-xp", 's' for shared. */
static bool take_protection(struct text *line, struct image_vma *vma)
{
	struct text word;

	if (!text_take_word(line, &word) || text_len(&word) != 4)
		return false;
	vma->prot = (word.at[0] == 'r' ? PROT_READ : 0) |
		    (word.at[1] == 'w' ? PROT_WRITE : 0) |
		    (word.at[2] == 'x' ? PROT_EXEC : 0);
	vma->flags = word.at[3] == 's' ? IMAGE_VMA_SHARED_MAP : 0;
	return word.at[3] == 's' || word.at[3] == 'p';
}

/*
 * The kernel writes a newline in a name as \012 and nothing else: a backslash
 * is itself (seq_path() with esc "\n").
 */
static char *name_dup(struct text name)
{
	char *copy, *to;

	while (name.at < name.end && *name.at == ' ')
		name.at++;
	copy = text_dup(&name);
	if (!copy)
		return NULL;
	for (to = copy; name.at < name.end; to++) {
		bool newline = text_starts(&name, "\\012");

		*to = newline ? '\n' : *name.at;
		name.at += newline ? 4 : 1;
	}
	*to = '\0';
	return copy;
}

/* "START-END PROT OFFSET MAJOR:MINOR INODE   NAME"; 0, -EPROTO, ... */
static int parse_head(struct text line, struct image_vma *vma)
{
	if (!text_take_number(&line, 16, UINT64_MAX, &vma->start) ||
	    !text_take(&line, "-") ||
	    !text_take_number(&line, 16, UINT64_MAX, &vma->end) ||
	    !take_protection(&line, vma) ||
	    !text_take_number(&line, 16, UINT64_MAX, &vma->offset_bytes) ||
	    !text_take_u32(&line, 16, &vma->dev_major) ||
	    !text_take(&line, ":") ||
	    !text_take_u32(&line, 16, &vma->dev_minor) ||
	    !text_take_number(&line, 10, UINT64_MAX, &vma->inode))
		return -EPROTO;
	if (vma->start >= vma->end || page_floor(vma->start) != vma->start ||
	    page_floor(vma->end) != vma->end)
		return -EPROTO;
	if (text_len(&line) > 4 * IMAGE_STRING_MAX)
		return -E2BIG;
	vma->name = name_dup(line);
	if (!vma->name)
		return -ENOMEM;
	return strlen(vma->name) > IMAGE_STRING_MAX ? -E2BIG : 0;
}

/* All lines of one area are read: decide what it is. */
static int close_row(struct image_vma *vma, unsigned flags, struct refusal *why)
{
	const char *reason;

	vma->kind = vmakind_of(vma, flags);
	reason = vmakind_refusal(vma, flags);
	if (!reason)
		return 0;
	return refuse(why, -EOPNOTSUPP, "%llx-%llx (%.100s) is %s",
		      (unsigned long long)vma->start,
		      (unsigned long long)vma->end,
		      *vma->name ? vma->name : "anonymous", reason);
}

/* A head line starts with a lower case hex digit, all others with a capital. */
static bool is_head(const struct text *line)
{
	char c = text_len(line) ? *line->at : '\0';

	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static int open_row(struct table *table, struct text line)
{
	uint64_t floor = table->nr ? table->vmas[table->nr - 1].end : 0;
	struct image_vma *vma;
	int rc;

	if (table->nr == IMAGE_VMAS_MAX)
		return -E2BIG;
	vma = add_row(table);
	if (!vma)
		return -ENOMEM;
	rc = parse_head(line, vma);
	if (rc)
		return rc;
	return vma->start < floor ? -EPROTO : 0;
}

static int parse_all(struct text text, struct table *table, struct refusal *why)
{
	unsigned flags = 0;
	struct text line;
	int rc = 0;

	while (!rc && text_take_line(&text, &line)) {
		struct image_vma *last =
			table->nr ? &table->vmas[table->nr - 1] : NULL;

		if (is_head(&line)) {
			rc = last ? close_row(last, flags, why) : 0;
			rc = rc ? rc : open_row(table, line);
			flags = 0;
		} else if (last && text_take(&line, "VmFlags:")) {
			flags |= vmakind_flags(line, last);
		} else if (last && text_take(&line, "ProtectionKey:")) {
			flags |= vmakind_key(line);
		} else if (!last) {
			rc = -EPROTO;
		}
	}
	if (!rc && table->nr)
		rc = close_row(&table->vmas[table->nr - 1], flags, why);
	return rc;
}

int vmas_parse(const char *text, size_t len_bytes, struct image_vma **ret_vmas,
	       uint32_t *ret_nr, struct refusal *why)
{
	CLEANUP(cleanup_table) struct table table = {0};
	int rc = parse_all(text_of(text, len_bytes), &table, why);

	if (rc)
		return rc;
	*ret_nr = table.nr;
	*ret_vmas = table.vmas;
	table = (struct table){0};
	return 0;
}

int vmas_read(pid_t pid, struct image_vma **ret_vmas, uint32_t *ret_nr,
	      struct refusal *why)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	rc = io_slurp_at(AT_FDCWD, path, SMAPS_BYTES_MAX, &text, &len);
	if (rc)
		return rc == -ENOENT ? -ESRCH : rc;
	return vmas_parse(text, len, ret_vmas, ret_nr, why);
}

void vmas_free(struct image_vma *vmas, uint32_t nr)
{
	for (uint32_t i = 0; vmas && i < nr; i++)
		free(vmas[i].name);
	free(vmas);
}
