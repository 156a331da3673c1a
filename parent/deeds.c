/* SPDX-License-Identifier: MIT */
#include "parent/deeds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"

#define STEP 64u /* entries that are read at once */

static struct deeds_entry *make_entries(const struct image_run *ranges,
					uint32_t nr)
{
	struct deeds_entry *entries = calloc(nr, sizeof(*entries));

	for (uint32_t i = 0; entries && i < nr; i++)
		entries[i] = (struct deeds_entry){
			.raddr = ranges[i].first_page << PAGE_SHIFT,
			.len_bytes = ranges[i].nr_pages << PAGE_SHIFT,
			.error = -ECANCELED,
			.mr_handle = DEEDS_NO_HANDLE,
		};
	return entries;
}

int deeds_new(const struct image_run *ranges, uint32_t nr, int *ret_fd)
{
	CLEANUP_FREE struct deeds_entry *entries = make_entries(ranges, nr);
	CLEANUP_CLOSE int fd = -1;
	int rc;

	if (!entries)
		return -ENOMEM;
	fd = memfd_create("mitosis-deeds", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	rc = io_write_all(fd, entries, nr * sizeof(*entries));
	if (rc)
		return rc;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* The kernel refuses it as long as somebody could write through a map. */
static int seal(int fd)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < DEEDS_WAIT_MS; i++) {
		if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0)
			return 0;
		if (errno != EBUSY)
			return -errno;
		(void)nanosleep(&ms, NULL);
	}
	return -EBUSY;
}

/* The handle decides: who was killed behind the kernel's answer said no more.
 */
static struct lend_deed deed_of(const struct deeds_entry *entry)
{
	if (entry->mr_handle == DEEDS_NO_HANDLE)
		return (struct lend_deed){.error = entry->error ? entry->error
								: -EIO};
	return (struct lend_deed){0, entry->mr_handle, entry->rkey};
}

static int read_some(int fd, uint32_t first, uint32_t nr,
		     struct lend_deed *deeds)
{
	struct deeds_entry entries[STEP];
	int rc = io_pread_all(fd, entries, nr * sizeof(*entries),
			      (off_t)(first * sizeof(*entries)));

	for (uint32_t i = 0; rc == 0 && i < nr; i++)
		deeds[first + i] = deed_of(&entries[i]);
	return rc;
}

int deeds_end(int fd, uint32_t nr, struct lend_deed *deeds)
{
	int sealed = seal(fd), rc = 0;

	for (uint32_t i = 0; i < nr; i++)
		deeds[i] = (struct lend_deed){.error = -ECANCELED};
	for (uint32_t i = 0; rc == 0 && i < nr; i += STEP)
		rc = read_some(fd, i, nr - i < STEP ? nr - i : STEP, deeds);
	return rc ? rc : sealed;
}
