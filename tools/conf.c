/* SPDX-License-Identifier: MIT */
/* conf.c - see conf.h; the grammar is inih's */
#include "tools/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"

struct reading {
	const struct opts_entry *table;
	const char *path;
	bool said; /* what is wrong */
};

const char *conf_path(int argc, char **argv, const char *otherwise)
{
	static const char option[] = "--config";
	const size_t len = sizeof(option) - 1;

	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (strncmp(argv[i], option, len))
			continue;
		if (argv[i][len] == '=')
			return argv[i] + len + 1;
		if (!argv[i][len] && i + 1 < argc)
			return argv[i + 1];
	}
	return otherwise;
}

static bool is_for_the_line_only(const char *name)
{
	return !strcmp(name, "config") || !strcmp(name, "help") ||
	       !strcmp(name, "version");
}

static int set(const struct reading *reading, const char *section,
	       const char *name, const char *value)
{
	int error = -ENOENT;

	if (*section && strcmp(section, say_name())) {
		say_error("%s: [%s] is no section of %s", reading->path,
			  section, say_name());
		return -EINVAL;
	}
	if (!is_for_the_line_only(name))
		error = opts_set(reading->table, name, value);
	if (error == -ENOENT)
		say_error("%s: %s = %s: %s has no such option", reading->path,
			  name, value, say_name());
	return error;
}

/* For inih, which goes on after an error: nonzero is good. */
static int take(void *data, const char *section, const char *name,
		const char *value)
{
	struct reading *reading = data;

	if (!reading->said && set(reading, section, name, value))
		reading->said = true;
	return !reading->said;
}

static int refuse(const char *path, const char *why)
{
	say_error("%s: %s", path, why);
	return -EINVAL;
}

/* Who can write the file commands the daemon. */
static int check(int fd, const char *path)
{
	struct stat file;

	if (fstat(fd, &file) < 0)
		return refuse(path, strerror(errno));
	if (!S_ISREG(file.st_mode))
		return refuse(path, "is no file");
	if ((file.st_uid && file.st_uid != geteuid()) || file.st_mode & 022)
		return refuse(path,
			      "others can write it: chown it to root, "
			      "and chmod go-w");
	if (file.st_size > CONF_BYTES_MAX)
		return refuse(path, "is longer than 64 KiB");
	return 0;
}

static int parse(int fd, struct reading *reading)
{
	static char text[CONF_BYTES_MAX + 1];
	ssize_t len = pread(fd, text, CONF_BYTES_MAX, 0);
	char words[64];
	int line;

	if (len < 0)
		return refuse(reading->path, strerror(errno));
	text[len] = '\0';
	line = ini_parse_string(text, take, reading);
	if (!line)
		return 0;
	if (reading->said)
		return -EINVAL;
	(void)snprintf(words, sizeof(words), "line %d is no \"name = value\"",
		       line);
	return refuse(reading->path, words);
}

int conf_read(const struct opts_entry *table, const char *path,
	      bool must_be_there)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct reading reading = {.table = table, .path = path};
	int error;

	if (fd < 0 && errno == ENOENT && !must_be_there)
		return 0;
	if (fd < 0)
		return refuse(path, strerror(errno));
	error = check(fd, path);
	return error ? error : parse(fd, &reading);
}
