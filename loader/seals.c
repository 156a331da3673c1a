/* SPDX-License-Identifier: MIT */
#include "loader/seals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "loader/areas.h"
#include "loader/fate.h"

bool seals_are_allowed(const struct image_fd *fd)
{
	/* F_SEAL_SEAL alone is how a memfd is that was made without. */
	return fd->kind == IMAGE_FD_MEMFD && fd->value != F_SEAL_SEAL;
}

int seals_add(int number, const struct image_fd *fd)
{
	if (!seals_are_allowed(fd) || !fd->value)
		return 0;
	return fcntl(number, F_ADD_SEALS, (int)fd->value);
}

/* What is mapped to write stays so, but must have been mapped before. */
static bool is_mapped_first(const struct image_fd *fd)
{
	return (fd->value & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)) ==
	       F_SEAL_FUTURE_WRITE;
}

/* Two descriptions of one file: the second would find it sealed. */
static bool is_first_of_file(const struct image *image, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (fate_is_same_file(&image->fds[k], &image->fds[i]))
			return false;
	return true;
}

/* The object that image->fds[@i] shows, if it is sealed when it is @mapped. */
static int object_of(const struct plan *plan, uint32_t i, bool mapped)
{
	const struct image_fd *fd = &plan->image->fds[i];

	if (!seals_are_allowed(fd) || !fd->value ||
	    is_mapped_first(fd) != mapped || !is_first_of_file(plan->image, i))
		return -1;
	return areas_object_of_fd(plan, fd);
}

static int slot_of(const struct plan *plan, int object)
{
	return plan_fd(plan->facts, PLAN_SLOT_OBJECT + (unsigned)object);
}

void seals_plan(struct plan *plan)
{
	const struct image *image = plan->image;

	steps_about(&plan->steps, STEPS_SEALS, 0);
	for (uint32_t i = 0; i < image->nr_fds; i++) {
		int object = object_of(plan, i, true);

		if (object >= 0)
			steps_call(&plan->steps, SYS_fcntl,
				   (uint64_t)slot_of(plan, object), F_ADD_SEALS,
				   (uint32_t)image->fds[i].value);
	}
}

int seals_make(const struct plan *plan)
{
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_fds; i++) {
		int object = object_of(plan, i, false);

		if (object >= 0 &&
		    seals_add(slot_of(plan, object), &image->fds[i]) < 0)
			return -errno;
	}
	return 0;
}
