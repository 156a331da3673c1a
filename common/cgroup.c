/* SPDX-License-Identifier: MIT */
#include "common/cgroup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"

#define NUMBER_MAX 20 /* digits */

/* Whether the @len bytes at @list, words and commas between, have @word. */
static bool has_word(const char *list, size_t len, const char *word)
{
	size_t word_len = strlen(word);
	const char *end = list + len;

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - list) == word_len &&
		    memcmp(list, word, word_len) == 0)
			return true;
		list = stop + 1;
	}
	return false;
}

/* "4:memory:/a/b", or "0::/a/b" of version 2: its path, or NULL. */
static const char *path_of(const char *line, const char *end,
			   enum cgroup_version version)
{
	const char *words = memchr(line, ':', (size_t)(end - line)), *path;
	bool is_it;

	if (!words++)
		return NULL;
	path = memchr(words, ':', (size_t)(end - words));
	if (!path)
		return NULL;
	is_it = version == CGROUP_V2
			? words - line == 2 && line[0] == '0' && path == words
			: has_word(words, (size_t)(path - words), "memory");
	return is_it ? path + 1 : NULL;
}

int cgroup_memory_path(const char *text, enum cgroup_version version,
		       char *path)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');
		const char *found = path_of(text, end, version);

		if (found) {
			if (*found != '/')
				return -EPROTO;
			if (end - found >= PATH_MAX)
				return -ENAMETOOLONG;
			memcpy(path, found, (size_t)(end - found));
			path[end - found] = '\0';
			return 0;
		}
		text = *end ? end + 1 : end;
	}
	return -ENOENT;
}

/* So the kernel writes what is above the root that this process sees. */
static bool leads_up(const char *path)
{
	for (; path; path = strchr(path + 1, '/'))
		if (strncmp(path, "/..", 3) == 0 &&
		    (path[3] == '/' || !path[3]))
			return true;
	return false;
}

/* The length of @path without a '/' at its end. */
static size_t bare_length(const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return len;
}

int cgroup_folder(const struct mountinfo *mount, const char *path, char *dir)
{
	size_t root = bare_length(mount->root);
	size_t point = bare_length(mount->point), rest;

	if (leads_up(path) || strncmp(path, mount->root, root) != 0 ||
	    (path[root] && path[root] != '/'))
		return -EXDEV;
	path += root;
	rest = bare_length(path);
	if (point + rest >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(dir, mount->point, point);
	memcpy(dir + point, path, rest);
	dir[point + rest] = '\0';
	return (int)point;
}

/* The number that is all of the line at @text. */
static int take_number(const char *text, uint64_t *ret)
{
	char digits[NUMBER_MAX + 1];
	size_t len = strcspn(text, "\n");

	if (len > NUMBER_MAX)
		return -EPROTO;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return parse_u64(digits, 0, UINT64_MAX, ret) ? -EPROTO : 0;
}

int cgroup_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	if (strncmp(text, "max", 3) == 0 && (text[3] == '\n' || !text[3])) {
		*ret_bytes = UINT64_MAX;
		return 0;
	}
	return take_number(text, ret_bytes);
}

int cgroup_parse_stat(const char *text, const char *key, uint64_t *ret_value)
{
	size_t len = strlen(key);

	while (*text) {
		if (strncmp(text, key, len) == 0 && text[len] == ' ')
			return take_number(text + len + 1, ret_value);
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return -EPROTO;
}
