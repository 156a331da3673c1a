/* SPDX-License-Identifier: MIT */
#include "common/mountinfo.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/parse.h"

static int is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* "\040" is a space; so are tab, newline and the backslash itself written. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
		    is_octal(text[2]) && is_octal(text[3])) {
			*to++ = (char)((text[1] - '0') << 6 |
				       (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* The device's number: "0:39". */
static int take_device(char *text, struct mountinfo *mount)
{
	char *colon = strchr(text, ':');
	uint64_t major, minor;

	if (!colon)
		return -EPROTO;
	*colon = '\0';
	if (parse_u64(text, 0, UINT32_MAX, &major) ||
	    parse_u64(colon + 1, 0, UINT32_MAX, &minor))
		return -EPROTO;
	mount->major = (uint32_t)major;
	mount->minor = (uint32_t)minor;
	return 0;
}

/* Behind the options come fields of no fixed number, a dash, and the type. */
static const char *find_type(char **save)
{
	const char *field = strtok_r(NULL, " ", save);

	while (field && strcmp(field, "-") != 0)
		field = strtok_r(NULL, " ", save);
	field = field ? strtok_r(NULL, " ", save) : NULL;
	return field ? field : "";
}

int mountinfo_parse(char *line, struct mountinfo *ret_mount)
{
	enum { ID, PARENT, DEVICE, ROOT, POINT, NR };
	struct mountinfo mount;
	char *field[NR], *save = NULL;

	for (int i = 0; i < NR; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return -EPROTO;
	}
	if (parse_u64(field[ID], 0, UINT64_MAX, &mount.id) ||
	    take_device(field[DEVICE], &mount))
		return -EPROTO;
	unescape(field[ROOT]);
	unescape(field[POINT]);
	if (field[ROOT][0] != '/' || field[POINT][0] != '/')
		return -EPROTO;
	mount.root = field[ROOT];
	mount.point = field[POINT];
	mount.type = find_type(&save);
	*ret_mount = mount;
	return 0;
}
