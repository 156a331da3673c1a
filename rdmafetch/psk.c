/* SPDX-License-Identifier: MIT */
/* psk.c - see psk.h */
#include "rdmafetch/psk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/wire.h"

int psk_name_ok(const char *name, size_t len)
{
	if (!len || len > PSK_NAME_MAX || *name == '#')
		return 0;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return 0;
	return 1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int get_key(const char *hex, size_t len, struct psk_key *ret)
{
	struct psk_key key = {.len_bytes = (unsigned)(len / 2)};

	if (len % 2 || len / 2 < PSK_KEY_MIN || len / 2 > PSK_KEY_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		key.bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	*ret = key;
	return 0;
}

/* One line.  1 with a key and how long the name before it is, 0 without. */
static int get_line(const char *line, size_t len, size_t *ret_name_bytes,
		    struct psk_key *ret_key)
{
	const char *colon;

	if (len && line[len - 1] == '\r')
		len--;
	if (!len || *line == '#')
		return 0;
	colon = memchr(line, ':', len);
	if (!colon || !psk_name_ok(line, (size_t)(colon - line)) ||
	    get_key(colon + 1, len - (size_t)(colon + 1 - line), ret_key))
		return -EINVAL;
	*ret_name_bytes = (size_t)(colon - line);
	return 1;
}

int psk_find(const char *text, size_t len, const char *name,
	     struct psk_key *ret_key, unsigned *ret_line)
{
	const size_t name_bytes = strlen(name);
	size_t at = 0, line_name_bytes = 0;
	struct psk_key key;
	int found = 0;

	for (unsigned line = 1; at < len; line++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_bytes = (end ? (size_t)(end - text) : len) - at;
		int r = get_line(text + at, line_bytes, &line_name_bytes, &key);

		if (r < 0) {
			*ret_line = line;
			return r;
		}
		if (r && !found && line_name_bytes == name_bytes &&
		    !memcmp(text + at, name, name_bytes)) {
			*ret_key = key;
			found = 1;
		}
		at += line_bytes + 1;
	}
	explicit_bzero(&key, sizeof(key));
	return found;
}

/* ---- the file ---- */

static int fail(char *why, int error, const char *path, const char *words)
{
	(void)snprintf(why, WIRE_WHY_MAX + 1, "the key file %.120s %s", path,
		       words);
	return error;
}

/* Its bytes are worth as much as all that they open. */
static int check_file(const struct stat *file, const char *path, char *why)
{
	if (!S_ISREG(file->st_mode))
		return fail(why, -EINVAL, path, "is no file");
	if (file->st_uid != geteuid())
		return fail(why, -EACCES, path,
			    "belongs to somebody else: chown it to the user "
			    "who reads it");
	if (file->st_mode & 077)
		return fail(why, -EACCES, path,
			    "can be read or changed by others: chmod 600");
	if (file->st_size > (off_t)PSK_FILE_MAX)
		return fail(why, -EFBIG, path, "is longer than 1 MiB");
	return 0;
}

static bool has_a_key(const char *text, size_t len)
{
	size_t name_bytes;
	struct psk_key key;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t bytes = end ? (size_t)(end - text) : len;

		if (get_line(text, bytes, &name_bytes, &key) > 0)
			return true;
		len -= end ? bytes + 1 : bytes;
		text += bytes + 1;
	}
	return false;
}

static int look(const char *text, size_t len, const char *name,
		struct psk_key *ret_key, char *words)
{
	unsigned line = 0;
	int r = psk_find(text, len, name, ret_key, &line);

	if (r < 0)
		(void)sprintf(words,
			      "has no NAME:KEY in line %u, the key %u to %u "
			      "bytes in hexadecimal",
			      line, PSK_KEY_MIN, PSK_KEY_MAX);
	if (!r && !has_a_key(text, len)) {
		strcpy(words, "has no key in it: see psktool(1)");
		r = -ENODATA;
	}
	return r;
}

int psk_read(const char *path, const char *name, struct psk_key *ret_key,
	     char *why)
{
	CLEANUP_CLOSE int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text, words[WIRE_WHY_MAX + 1] = "";
	struct stat file;
	size_t len = 0;
	int r;

	if (fd < 0 || fstat(fd, &file)) {
		r = -errno;
		(void)snprintf(words, sizeof(words), "cannot be read: %s",
			       strerror(errno));
		return fail(why, r, path, words);
	}
	r = check_file(&file, path, why);
	if (r)
		return r;
	len = (size_t)file.st_size;
	text = malloc(len + 1);
	if (!text)
		return fail(why, -ENOMEM, path, "cannot be read: no memory");
	r = io_read_all(fd, text, len);
	if (r)
		(void)snprintf(words, sizeof(words), "cannot be read: %s",
			       strerror(-r));
	else
		r = look(text, len, name ? name : "", ret_key, words);
	explicit_bzero(text, len);
	free(text);
	return r < 0 ? fail(why, r, path, words) : r;
}
