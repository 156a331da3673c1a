/* SPDX-License-Identifier: MIT */
/*
 * json.h - write JSON to a stream, one value after the other
 *
 * For image.json, status.json and the --json of the tools.  Our own and not
 * json-c: the strings here are file names and command names, which are bytes
 * and need not be UTF-8 as RFC 8259 demands, and a library that builds a tree
 * first would hold 100,000 nodes for an image.json that is written once.
 *
 * Use open_memstream(3) for a buffer.  Errors are the stream's: check ferror()
 * or fclose() at the end.  One thread at a time.
 *
 *     struct json json = json_to(file);
 *     json_object(&json, NULL);
 *     json_u64(&json, "pid", 42);
 *     json_array(&json, "names");
 *     json_string(&json, NULL, "a");
 *     json_end(&json);
 *     json_end(&json);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 31

struct json {
	FILE *file;
	int depth;	   /* containers open */
	uint32_t arrays;   /* bit n: the container at depth n is an array */
	uint32_t nonempty; /* bit n: it has a member already */
	bool one_line;	   /* set it before the first value */
};

/* A writer on @file, which stays the caller's. */
struct json json_to(FILE *file);

/*
 * In each call below @key is the member's name inside an object, and NULL
 * inside an array or at the top.  At most JSON_DEPTH_MAX containers may be open
 * at once.
 */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);

/* Close the container opened last; after the outermost, end the line. */
void json_end(struct json *json);

/*
 * Any bytes up to the NUL; NULL writes null.  Control characters are escaped
 * and a byte that is no part of valid UTF-8 becomes U+FFFD.
 */
void json_string(struct json *json, const char *key, const char *text);

/* As json_string(), of @len bytes, NULs included. */
void json_text(struct json *json, const char *key, const void *bytes,
	       size_t len);

void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);

/* "0x7f...": addresses, which must not be rounded to a double by a reader. */
void json_hex(struct json *json, const char *key, uint64_t value);

/* With three decimals, for times and ratios; NaN and infinities as null. */
void json_double(struct json *json, const char *key, double value);

/* @ns nanoseconds as seconds, exactly. */
void json_seconds(struct json *json, const char *key, uint64_t ns);

void json_bool(struct json *json, const char *key, bool value);
