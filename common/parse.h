/* SPDX-License-Identifier: MIT */
/*
 * parse.h - numbers, sizes, times and image sources as users write them
 *
 * Everything is checked to its last character: no prefix of a word is taken.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Decimal in [@min, @max], of at most 20 digits with leading zeros.  0, -EINVAL,
 * or -ERANGE.
 */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "4096", "64k", "1M", "2G" (powers of 1024) in bytes.  As parse_u64(). */
int parse_bytes(const char *text, uint64_t max, uint64_t *ret_bytes);

/* "1500ms", "30", "30s", "10m", "2h" in nanoseconds.  As parse_u64(). */
int parse_duration(const char *text, uint64_t max_ns, uint64_t *ret_ns);

#define PARSE_HOST_MAX 255
#define PARSE_NAME_MAX 64
/* "[V6]:/image/NAME", the longest of all. */
#define PARSE_SOURCE_MAX (PARSE_HOST_MAX + PARSE_NAME_MAX + 10)

enum parse_where {
	PARSE_LOCAL, /* "local:": this host, no daemon */
	PARSE_UNIX,  /* "unix:": the daemon's socket on this host */
	PARSE_TCP,
};

/* "HOST:/pid/N", "HOST:/image/NAME", "[V6]:/pid/N", "local:/pid/N". */
struct parse_source {
	enum parse_where where;
	char host[PARSE_HOST_MAX + 1]; /* brackets removed; "" for local, unix */
	int32_t pid;                   /* or 0 */
	char name[PARSE_NAME_MAX + 1]; /* or "" */
};

/*
 * Returns 0, or -EINVAL, as for more than PARSE_SOURCE_MAX bytes or a pid of more
 * than 10 digits.  An image name is 1 to 64 of [A-Za-z0-9._-], not
 * starting with a dot or a dash.
 */
int parse_source(const char *text, struct parse_source *ret_source);

/* 1 when @name is a legal image name. */
int parse_name_ok(const char *name);

/*
 * Copy @len bytes of somebody's words, and a NUL, to @out, which has room for
 * both: what is not printable ASCII becomes '?', as it could move a cursor.
 */
void parse_plain(char *out, const void *bytes, size_t len);
