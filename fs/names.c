/* SPDX-License-Identifier: MIT */
#include "fs/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define STEM_BYTES (NAMES_BYTES - NAMES_NUMBER_BYTES)

static void copy_clean(char *to, const char *from, size_t len)
{
	if (len >= STEM_BYTES)
		len = STEM_BYTES - 1;
	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)from[i] < ' ' || from[i] == '/' ||
					from[i] == 0x7f
				? '_'
				: from[i];
	to[len] = '\0';
}

/* "[heap]" is heap; "[anon:NAME]" and its like have a word in front. */
static int bracketed(const char *name, char ret_name[NAMES_BYTES],
		     int *ret_numbered)
{
	static const char anon[] = "[anon:";
	size_t len = strlen(name);

	if (len < 3 || name[len - 1] != ']')
		return -ENOENT;
	*ret_numbered = !strncmp(name, anon, strlen(anon));
	if (!*ret_numbered) {
		copy_clean(ret_name, name + 1, len - 2);
		return 0;
	}
	memcpy(ret_name, "anon-", 5);
	copy_clean(ret_name + 5, name + strlen(anon),
		   len - 1 - strlen(anon) < STEM_BYTES - 6
			   ? len - 1 - strlen(anon)
			   : STEM_BYTES - 6);
	return 0;
}

int names_of(const struct image_vma *vma, char ret_name[NAMES_BYTES],
	     int *ret_numbered)
{
	const char *slash = strrchr(vma->name, '/'), *last;
	size_t len;

	if (vma->name[0] == '[')
		return bracketed(vma->name, ret_name, ret_numbered);
	last = slash ? slash + 1 : vma->name;
	len = image_path_stem(last);
	if (!len)
		return -ENOENT;
	copy_clean(ret_name, last, len);
	*ret_numbered = 1;
	return 0;
}

struct entry {
	char name[NAMES_BYTES];
	uint32_t index;
	int numbered;
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* @nr areas of one name, by address. */
static void number(const struct entry *entries, uint32_t nr, uint32_t *numbers)
{
	int has_plain = 0;

	for (uint32_t i = 0; i < nr; i++) {
		int plain = !entries[i].numbered && !has_plain;

		numbers[entries[i].index] = plain ? NAMES_PLAIN : i;
		has_plain |= plain;
	}
}

uint32_t *names_number(const struct image *image)
{
	CLEANUP_FREE struct entry *entries =
		calloc(image->nr_vmas + 1, sizeof(*entries));
	uint32_t *numbers = calloc(image->nr_vmas + 1, sizeof(*numbers));
	uint32_t nr = 0, first = 0;

	if (!entries || !numbers) {
		free(numbers);
		return NULL;
	}
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		entries[nr].index = i;
		if (!names_of(&image->vmas[i], entries[nr].name,
			      &entries[nr].numbered))
			nr++;
	}
	qsort(entries, nr, sizeof(*entries), compare);
	for (uint32_t i = 1; i <= nr; i++)
		if (i == nr ||
		    strcmp(entries[i].name, entries[first].name) != 0) {
			number(entries + first, i - first, numbers);
			first = i;
		}
	return numbers;
}
