/* SPDX-License-Identifier: MIT */
#include "fs/fusewords.h"

#include <errno.h>
#include <stdio.h>

#include "fs/channel.h"

#define FSNAME_BYTES (2 * PARSE_SOURCE_MAX + 1)

/* Each byte may take two of the @size at @out, and the NUL one. */
static int escape_into(char *out, size_t size, const char *text)
{
	const char *end = out + size;

	for (; *text; text++) {
		if (end - out < 3)
			return -ENAMETOOLONG;
		if (*text == ',' || *text == '\\')
			*out++ = '\\';
		*out++ = *text;
	}
	*out = '\0';
	return 0;
}

int fusewords_make(const struct options *options, char *words, size_t size)
{
	char fsname[FSNAME_BYTES];
	int len, error;

	error = escape_into(fsname, sizeof(fsname), options->source_text);
	if (error)
		return error;
	len = snprintf(
		words, size,
		"ro,nosuid,nodev,fsname=%s,subtype=mitosisfs%s%s%s%s", fsname,
		options->allow_other ? ",allow_other,default_permissions" : "",
		options->auto_unmount ? ",auto_unmount" : "",
		options->debug ? ",debug" : "", channel_words(options->uring));
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}
