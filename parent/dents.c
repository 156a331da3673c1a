/* SPDX-License-Identifier: MIT */
#include "parent/dents.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parent/text.h"

static int add_number(int32_t **numbers, uint32_t *cap, uint32_t nr,
		      int32_t number)
{
	if (nr == *cap) {
		uint32_t bigger = *cap ? *cap * 2 : 256;
		int32_t *grown = realloc(*numbers, bigger * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*numbers = grown;
		*cap = bigger;
	}
	(*numbers)[nr] = number;
	return 0;
}

/* "." and ".." are no numbers. */
static int32_t number_of(const char *name)
{
	struct text text = text_of(name, strlen(name));
	int32_t number;

	return text_take_i32(&text, &number) && !text_len(&text) ? number : -1;
}

int dents_list(int dir_fd, uint32_t max, int32_t **numbers, uint32_t *cap,
	       uint32_t *ret_nr)
{
	_Alignas(struct dirent64) char buf[16384];
	uint32_t nr = 0;
	long got;

	if (lseek(dir_fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((got = syscall(SYS_getdents64, dir_fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < got;) {
			struct dirent64 *entry = (void *)(buf + at);
			int32_t number = number_of(entry->d_name);

			at += entry->d_reclen;
			if (number < 0)
				continue;
			if (nr == max)
				return -E2BIG;
			if (add_number(numbers, cap, nr, number))
				return -ENOMEM;
			nr++;
		}
	if (got < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret_nr = nr;
	return 0;
}
