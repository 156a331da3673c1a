/* SPDX-License-Identifier: MIT */
#include "loader/seals.h"

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

bool seals_are_allowed_of(const struct plan *plan, unsigned index)
{
	const struct image *image = plan->image;

	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (seals_are_allowed(&image->fds[i]) &&
		    areas_object_of_fd(plan, &image->fds[i]) == (int)index)
			return true;
	return false;
}

/* Two descriptions of one file: the second would find it sealed. */
static bool is_first_of_file(const struct image *image, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (fate_is_same_file(&image->fds[k], &image->fds[i]))
			return false;
	return true;
}

void seals_plan(struct plan *plan)
{
	const struct image *image = plan->image;

	steps_about(&plan->steps, STEPS_SEALS, 0);
	for (uint32_t i = 0; i < image->nr_fds; i++) {
		const struct image_fd *fd = &image->fds[i];
		int object = seals_are_allowed(fd) && fd->value
				     ? areas_object_of_fd(plan, fd)
				     : -1;

		if (object < 0 || !is_first_of_file(image, i))
			continue;
		steps_call(&plan->steps, SYS_fcntl,
			   (uint64_t)plan_fd(plan->facts,
					     PLAN_SLOT_OBJECT + object),
			   F_ADD_SEALS, (uint32_t)fd->value);
	}
}
