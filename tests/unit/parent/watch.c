/* SPDX-License-Identifier: MIT */
#include "tests/unit/parent/watch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define TRIES 2000

/* Append the lines of /proc/@pid/@file that hold one of @words (NULL: all). */
static void add_lines(FILE *out, pid_t pid, const char *file,
		      const char *const *words)
{
	CLEANUP_FCLOSE FILE *in = NULL;
	char path[64], line[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in)) {
		if (!words)
			(void)fputs(line, out);
		for (size_t i = 0; words && words[i]; i++)
			if (strncmp(line, words[i], strlen(words[i])) == 0)
				(void)fputs(line, out);
	}
}

static void add_maps(FILE *out, pid_t pid)
{
	CLEANUP_FCLOSE FILE *in = NULL;
	char path[64], line[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in))
		(void)fputs(strstr(line, "[stack]") ? strchr(line, '-') : line,
			    out);
}

static void for_threads(FILE *out, pid_t pid,
			void (*add)(FILE *out, pid_t pid, const char *tid))
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *entry;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add(out, pid, entry->d_name);
}

static void add_status(FILE *out, pid_t pid, const char *tid)
{
	static const char *const words[] = {"TracerPid", "SigBlk",  "SigIgn",
					    "SigCgt",	 "Seccomp", NULL};
	char file[64];

	(void)snprintf(file, sizeof(file), "task/%.16s/status", tid);
	(void)fprintf(out, "thread %s\n", tid);
	add_lines(out, pid, file, words);
}

static void add_children(FILE *out, pid_t pid, const char *tid)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "task/%.16s/children", tid);
	add_lines(out, pid, file, NULL);
}

char *watch_maps(pid_t pid)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	add_maps(out, pid);
	(void)fclose(out);
	return text;
}

char *watch_threads(pid_t pid)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for_threads(out, pid, add_status);
	(void)fclose(out);
	return text;
}

char *watch_children(pid_t pid)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for_threads(out, pid, add_children);
	(void)fclose(out);
	return text;
}

char *watch_fds(pid_t pid)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *entry;
	char *text = NULL, path[64];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		(void)fprintf(out, "%s ", entry->d_name);
	(void)fclose(out);
	return text;
}

char *watch_until(char *(*look)(pid_t), pid_t pid, const char *want)
{
	char *text = look(pid);

	for (int i = 0; i < TRIES && strcmp(text, want) != 0; i++) {
		(void)usleep(2000);
		free(text);
		text = look(pid);
	}
	return text;
}
