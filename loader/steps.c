/* SPDX-License-Identifier: MIT */
/*
 * steps.c - two arrays and a heap of bytes that double when they are full
 */
#include "loader/steps.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_FIRST	 512u
#define STEPS_DATA_FIRST 8192u
#define STEPS_DATA_ALIGN ((size_t)15)

void steps_init(struct steps *steps, uint64_t data_addr)
{
	memset(steps, 0, sizeof(*steps));
	steps->data_addr = data_addr;
}

void steps_about(struct steps *steps, enum steps_topic topic, uint32_t index)
{
	steps->now = (struct steps_note){topic, index};
}

static bool grow_list(struct steps *steps)
{
	uint32_t max = steps->max ? steps->max * 2 : STEPS_FIRST;
	struct blob_step *list;
	struct steps_note *notes;

	list = reallocarray(steps->list, max, sizeof(*list));
	if (list)
		steps->list = list;
	notes = reallocarray(steps->notes, max, sizeof(*notes));
	if (notes)
		steps->notes = notes;
	if (!list || !notes)
		return false;
	steps->max = max;
	return true;
}

uint32_t steps_add(struct steps *steps, const struct blob_step *step)
{
	if (steps->nr == steps->max && !grow_list(steps))
		steps->error = -ENOMEM;
	if (steps->error)
		return 0;
	steps->list[steps->nr] = *step;
	steps->notes[steps->nr] = steps->now;
	return steps->nr++;
}

static bool grow_data(struct steps *steps, size_t needed)
{
	size_t max = steps->data_max ? steps->data_max : STEPS_DATA_FIRST;
	uint8_t *data;

	while (max < needed)
		max *= 2;
	data = realloc(steps->data, max);
	if (!data)
		return false;
	steps->data = data;
	steps->data_max = max;
	return true;
}

uint64_t steps_data(struct steps *steps, const void *bytes, size_t len)
{
	size_t at = (steps->data_bytes + STEPS_DATA_ALIGN) & ~STEPS_DATA_ALIGN;

	if (!len)
		return 0; /* an empty list: nobody will look */
	if (at + len > steps->data_max && !grow_data(steps, at + len))
		steps->error = -ENOMEM;
	if (steps->error)
		return 0;
	memset(steps->data + steps->data_bytes, 0, at - steps->data_bytes);
	memcpy(steps->data + at, bytes, len);
	steps->data_bytes = at + len;
	return steps->data_addr + at;
}

void steps_done(struct steps *steps)
{
	free(steps->list);
	free(steps->notes);
	free(steps->data);
	memset(steps, 0, sizeof(*steps));
}
