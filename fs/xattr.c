/* SPDX-License-Identifier: MIT */
#include "fs/xattr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static int put_addr(const struct image_vma *vma, char *ret)
{
	return snprintf(ret, XATTR_VALUE_BYTES, "%08" PRIx64, vma->start);
}

static int put_name(const struct image_vma *vma, char *ret)
{
	return snprintf(ret, XATTR_VALUE_BYTES, "%s", vma->name);
}

static int put_perms(const struct image_vma *vma, char *ret)
{
	return snprintf(ret, XATTR_VALUE_BYTES, "%c%c%c%c",
			vma->prot & PROT_READ ? 'r' : '-',
			vma->prot & PROT_WRITE ? 'w' : '-',
			vma->prot & PROT_EXEC ? 'x' : '-',
			vma->flags & IMAGE_VMA_SHARED_MAP ? 's' : 'p');
}

static const struct {
	const char *name;
	int (*put)(const struct image_vma *vma, char *ret);
} attributes[] = {
	{"user.mitosis.addr", put_addr},
	{"user.mitosis.name", put_name},
	{"user.mitosis.perms", put_perms},
};

#define NR_ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

int xattr_value(const struct image_vma *vma, const char *name, char *ret_value)
{
	for (size_t i = 0; i < NR_ATTRIBUTES; i++) {
		int len;

		if (strcmp(attributes[i].name, name) != 0)
			continue;
		len = attributes[i].put(vma, ret_value);
		return len ? len : -ENODATA;
	}
	return -ENODATA;
}

int xattr_list(const struct image_vma *vma, char *ret_list)
{
	char value[XATTR_VALUE_BYTES];
	size_t len = 0;

	for (size_t i = 0; i < NR_ATTRIBUTES; i++) {
		size_t more = strlen(attributes[i].name) + 1;

		if (attributes[i].put(vma, value) == 0)
			continue;
		memcpy(ret_list + len, attributes[i].name, more);
		len += more;
	}
	return (int)len;
}
